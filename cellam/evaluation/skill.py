"""Skill: which share of the possible gain over the best baseline a fit takes, and how sure that is.

    skill = (V_best − V_fit) / (V_best − V_floor)

V is the expected distance between n cells drawn from a prediction and n cells drawn from the
day itself; V_best is the least of the baselines', V_floor that of the day to itself. 1 is a
prediction as good as measuring the day again, 0 one that is no better than the best baseline.
n is part of the definition: W1 and W2 of finite samples lie above those of the populations, by
an amount that depends on n.

The intervals say how far skill would vary if other cells had been measured, on all days. Every
cell has an influence on every score (`distances`); all scores of a day are to first order a sum
over cells, so together they are normal, with the covariance of those sums. That is for a fit
that is held; how far its score moves with the cells that it is fitted to is the scatter of fits
to half of them (`modelling.refits`). The bootstrap draws scores from all of that, and takes
the best baseline of each draw: which one it is, is part of what is not known. What is held on the
true value is the skill of fits to so many cells. More cells make a better fit; and the PCA
is held.

Where the day has three replicates or more, all of this is said of replicates in place of cells
(`units`), and draws are those of Student's t. With two there is no interval; what is shown is the
skill on each of them. Against replicates, skill takes the distance between them for what is
possible, and scores against each of them for the prediction and the baselines:

    (mean V(best, R) − mean V(fit, R)) / (mean V(best, R) − mean V(R, R′))
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import named
from cellam.display import in_words
from cellam.evaluation.baselines import BASELINES
from cellam.evaluation.contenders import FIT, FLOOR
from cellam.evaluation.scores import Scores
from cellam.evaluation.scoring import N_BOOT
from cellam.evaluation.spreads import NORMAL_DF
from cellam.evaluation.units import CELLS, REPLICATES
from cellam.reading.samples import ENOUGH

Array = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True)
class Skill:
    """Share of the possible gain over the best baseline, on one day in one metric.

    Parameters
    ----------
    label, metric, method : str
    value : float
        1 is as good as the floor, 0 as the best baseline, less is worse than that.
    low, high : float
        95 % interval; NaN with two replicates.
    best : str
        The best baseline.
    says : str
        What it means, in a sentence.
    unit : str
        What the interval is over: cells or replicates.
    replicates : int
        Of the day; 0 without any.
    least, most : float
        Skill on the replicates of the day, each taken alone; NaN without any.
    to_replicates : float
        Skill with the distance between replicates in place of the floor; NaN without any, and
        where the best baseline is within it.
    possible : float
        The possible gain: how far the best baseline is above the floor.
    """

    label: str
    metric: str
    method: str
    value: float
    low: float
    high: float
    best: str
    says: str
    unit: str = CELLS
    replicates: int = 0
    least: float = float("nan")
    most: float = float("nan")
    to_replicates: float = float("nan")
    possible: float = float("nan")

    @property
    def shown(self) -> str:
        """The value as it stands in a table; a dash where there is nothing that it is a share of.

        Where the best baseline is at the floor, the value is in standard errors of the two: as
        good as it is for an interval, so little does it say as a number.
        """
        return "–" if self.possible <= 0 else f"{self.value:.2f}"


def skill(
    scores: Scores,
    metric: str,
    *,
    method: str = FIT.name,
    baselines: Collection[str] = tuple(BASELINES),
    n_boot: int | None = None,
    seed: int = 0,
) -> Skill:
    """Skill of a method on one held-out day.

    Parameters
    ----------
    scores : Scores
        Of one day: `Evaluation.scores.of(label)`.
    metric : str
    method : str
        "cellam", or its counterpart.
    baselines : collection of str
        Among which the best is looked for.
    n_boot : int, optional
        Draws of the bootstrap; as many as they were scored with (the column n_boot) without it,
        so that the same scores have the same interval wherever they are shown.
    seed : int
        Of the bootstrap.

    Notes
    -----
    The possible gain, V_best − V_floor, is taken as no less than its standard error. Where days do
    not differ there is nothing to gain, and skill would be a ratio of two noises.
    """
    table = scores.table
    rows = table[table["metric"] == metric].set_index("method")
    label = str(rows["label"].iloc[0])
    # By their numbers: which draw a baseline gets depends on no order that they are given in.
    known = {name for name in baselines if name in rows.index}
    rivals = sorted(known, key=lambda name: BASELINES[name].stream)
    names = [method, FLOOR.name, *rivals]
    values = rows.loc[names, "value"].to_numpy(dtype=float)
    covariance = scores.covariance[label, metric].loc[names, names].to_numpy(dtype=float)
    if n_boot is None:
        n_boot = int(rows["n_boot"].iloc[0]) if "n_boot" in rows else N_BOOT
    rng = np.random.default_rng(seed)
    draws = rng.multivariate_normal(values, covariance, n_boot, method="eigh")
    # A standard error is that of the normal: Student's t of few degrees of freedom has none.
    least = float((draws[:, 2:].min(1) - draws[:, 1]).std())
    df = float(rows["df"].loc[method]) if "df" in rows else NORMAL_DF  # as in older scores
    if df > NORMAL_DF:
        draws = values + (draws - values) * np.sqrt(df / rng.chisquare(df, (n_boot, 1)))
    value = float(_share(values[None], least)[0])
    low, high = (float(q) for q in np.quantile(_share(draws, least), _tails()))
    best, gap = rivals[int(values[2:].argmin())], values[2:].min() - values[1]
    possible = np.quantile(draws[:, 2:].min(1) - draws[:, 1], _tails()[0])
    nothing = bool(possible <= 0)
    single = _Single.of(scores, label, metric, method, best, float(values[1]), least)
    theirs = float(values[2:].min())
    told = _Told(
        method, metric, best, float(values[0]), theirs, value, low, high, len(rivals), "", nothing
    )
    beyond = ""
    if "extrapolation" in rows and bool(rows["extrapolation"].iloc[0]):
        beyond = (
            f" This is an extrapolation: all training days lie on one side of {named(label)}"
            f"{', so there is no other baseline' if len(rivals) == 1 else ''}."
        )
    if single is None:
        says = told.says + beyond
        return Skill(label, metric, method, value, low, high, best, says, possible=float(gap))
    if len(single.shares) < ENOUGH:
        low = high = float("nan")
        says = _without_interval(method, metric, value, single, best)
    else:
        says = replace(told, over=f", over {len(single.shares)} replicates").says
    return Skill(
        label,
        metric,
        method,
        value,
        low,
        high,
        best,
        f"{says} {single.says}{beyond}",
        REPLICATES,
        len(single.shares),
        float(single.shares.min()),
        float(single.shares.max()),
        single.share,
        float(gap),
    )


@dataclass(frozen=True)
class _Single:
    """A method and the best baseline against each replicate of a day.

    Parameters
    ----------
    shares : (m,) array
        Skill on each replicate.
    fit, best, between : float
        Mean distance of the method and of the best baseline to the replicates, and that between
        replicates.
    """

    shares: Array
    fit: float
    best: float
    between: float

    @staticmethod
    def of(
        scores: Scores, label: str, metric: str, method: str, best: str, floor: float, least: float
    ) -> _Single | None:
        """None where the day has no replicates, or one of both says nothing of them."""
        wide = scores.against_each(label, metric)
        between = scores.between(label, metric)
        if not {method, best} <= set(wide.index) or not len(between):
            return None
        fit, rival = (wide.loc[name].to_numpy(dtype=float) for name in (method, best))
        each = np.stack([fit, np.full(len(fit), floor), rival], axis=1)
        mean = float(between.mean())
        return _Single(_share(each, least), float(fit.mean()), float(rival.mean()), mean)

    @property
    def share(self) -> float:
        """Skill with the distance between replicates in place of the floor."""
        possible = self.best - self.between
        return (self.best - self.fit) / possible if possible > 0 else float("nan")

    @property
    def says(self) -> str:
        """Whether the prediction is as near to replicates as they are to each other."""
        distances = f"({self.fit:.3g} to them, {self.between:.3g} between them)"
        if self.fit > self.between:
            return f"It is farther from the replicates than they are from each other {distances}."
        also = ", and so is the best baseline" * (self.best <= self.between)
        return f"It is within the distance between replicates {distances}{also}."


def _without_interval(method: str, metric: str, value: float, single: _Single, best: str) -> str:
    """What two replicates say, of which no interval can be made."""
    who = _name(method)
    rival = BASELINES[best].noun.format(day="day")
    n = int((single.shares > 0).sum())
    each = " and ".join(f"{share:.2f}" for share in single.shares)
    found = f"skill {value:.2f}; {each} on each; two replicates give no interval"
    if n == len(single.shares):
        return f"In {metric}, {who} is nearer to both replicates than {rival} ({found})."
    if n == 0:
        return (
            f"In {metric}, {who} is farther from both replicates than {rival} ({found}): use that "
            "instead for this gap."
        )
    return f"In {metric}, {who} is nearer to one of two replicates than {rival} ({found})."


def skills(scores: Scores, *, n_boot: int | None = None, seed: int = 0) -> list[Skill]:
    """Skill of every fit, for each day and metric, over the baselines that were scored."""
    found = []
    for (label, metric), rows in scores.table.groupby(["label", "metric"], sort=False):
        methods = rows["method"].tolist()
        if any(name in BASELINES for name in methods):
            day = scores.of(str(label))
            fits = [name for name in methods if name not in {*BASELINES, FLOOR.name}]
            found += [
                skill(day, str(metric), method=name, n_boot=n_boot, seed=seed) for name in fits
            ]
    return found


def _tails() -> tuple[float, float]:
    return 0.5 - 0.5 * LEVEL, 0.5 + 0.5 * LEVEL


def _share(scores: Array, least: float) -> Array:
    """Skill from scores (k, 2 + b) of the method, the floor and the baselines: (k,)."""
    best = scores[:, 2:].min(1)
    possible = np.maximum(best - scores[:, 1], least)
    gain = best - scores[:, 0]
    # Masses are exact: where the best baseline is too, nothing is possible and nothing is gained.
    share: Array = np.divide(gain, possible, where=possible > 0, out=np.sign(gain))
    return share


@dataclass(frozen=True)
class _Told:
    """What a sentence on a method and the best baseline is made of.

    Parameters
    ----------
    method, metric, best : str
    ours, theirs : float
        Scores of the method and of the best baseline.
    value, low, high : float
        Skill.
    n_rivals : int
        Baselines that were scored.
    over : str
        What the interval is over, where it is not over cells; begins with a comma.
    nothing : bool
        Whether the best baseline cannot be told from the floor.
    """

    method: str
    metric: str
    best: str
    ours: float
    theirs: float
    value: float
    low: float
    high: float
    n_rivals: int
    over: str
    nothing: bool

    @property
    def says(self) -> str:
        """The sentence. What it says of the two scores is what the table shows of them."""
        share = f"skill {self.value:.2f}, {self.low:.2f} to {self.high:.2f}{self.over}"
        rival = BASELINES[self.best].noun.format(day="day")
        every = "every baseline" if self.n_rivals > 1 else f"{rival}, the only baseline"
        who = f"In {self.metric}, {_name(self.method)}"
        # The interval decides; that nothing could be gained is no excuse for being worse.
        if self.low > 0 and self.nothing:
            return (
                f"{who} is better than {every}, and nearer to the observed cells than a second "
                f"sample of them (the floor), from which {rival} cannot be told ({share})."
            )
        if self.low > 0 and self.value < 1:
            # No gap closes by more than all of it: an end above 1 is the chance in the floor.
            return (
                f"{who} is better than {every}: it closes {100 * self.value:.0f} % "
                f"({100 * self.low:.0f} to {100 * min(self.high, 1.0):.0f} %{self.over}) of the "
                f"gap between {rival} and the floor."
            )
        if self.low > 0:
            return (
                f"{who} is better than {every}: it closes the whole gap between {rival} and the "
                f"floor, as far as can be told (at least {100 * min(self.low, 1.0):.0f} % of "
                f"it{self.over}). It is as near to the observed cells as a second sample of them."
            )
        if self.high < 0:
            floor = ", which cannot be told from the floor" * self.nothing
            return f"{who} is worse than {rival} ({share}){floor}: use that instead for this gap."
        scores = f"{self.ours:.3g} against {self.theirs:.3g}"
        unsure = f"the difference is within the uncertainty ({share})"
        what = "replicates" if self.over else "cells"
        if self.theirs > self.ours:
            if self.nothing:
                return (
                    f"{who} is ahead of {rival} ({scores}), but as these {what} do not tell "
                    "the baseline from the floor, no method can be shown to do better here "
                    f"({share})."
                )
            return f"{who} is ahead of {rival}, but {unsure}; more {what} could settle it."
        behind = f"is behind {rival} ({scores})" if self.ours > self.theirs else f"equals {rival}"
        if self.nothing:
            return (
                f"{who} {behind}, which these {what} do not tell from the floor, so no method can "
                f"be shown to do better here; {unsure}, and the baseline is the simpler choice "
                "for this gap."
            )
        return f"{who} {behind}: {unsure}, and that is the simpler choice for this gap."


def _name(method: str) -> str:
    return "cellam" if method == FIT.name else f"cellam, {method},"


def verdict(found: Sequence[Skill]) -> str:
    """What the skills of one fit on one day allow to say.

    Parameters
    ----------
    found : sequence of Skill
        In every metric; the first is that by which the verdict goes.

    Returns
    -------
    str
        The sentence of the first, and the metrics in which the fit stands otherwise.
    """
    first, *others = found
    sign = np.sign(first.value)
    against = [other.metric for other in others if np.sign(other.value) * sign < 0]
    if not against:
        return first.says
    stands = "behind the best baseline" if sign > 0 else "ahead of the best baseline"
    return f"{first.says} In {in_words(against)} it is {stands}."
