"""Caveats of scores: what the evaluations of a run say against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from cellam.checks.caveat import Caveat
from cellam.days.time_labels import named
from cellam.evaluation.contenders import FIT
from cellam.evaluation.controls import CONTROLS, Controlled
from cellam.evaluation.counterparts import COUNTERPARTS
from cellam.evaluation.scores import Scores
from cellam.evaluation.skill import Skill, skills

SURE = 1.0  # standard errors by which one score at least has to be better


def evaluation_caveats(
    scores: Scores | None, controls: Iterable[Controlled], *, seed: int
) -> tuple[Caveat, ...]:
    """All that scores and their controls say against a fit.

    Parameters
    ----------
    scores : Scores or None
        Of held-out days; None where there are none.
    controls : iterable of Controlled
        Those of other days are left out.
    seed : int
        For the interval of the skill.
    """
    controls = list(controls)
    found = skills(scores, seed=seed) if scores is not None and controls else []
    return (*control_caveats(controls, found), *score_caveats(scores))


def score_caveats(scores: Scores | None) -> Iterator[Caveat]:
    """A caveat where the same fit with an assumption changed predicts a day better throughout.

    Parameters
    ----------
    scores : Scores or None
        Of held-out days; None where there are none.
    """
    for label in scores.labels if scores is not None else ():
        assert scores is not None
        table = scores.of(label).table
        wide = table.pivot(index="method", columns="metric", values="value")
        for name in [name for name in COUNTERPARTS if name in wide.index]:
            # One that makes no prediction in a metric says nothing there.
            both = wide.loc[[FIT.name, name]].dropna(axis=1)
            metrics = [m for m in dict.fromkeys(table["metric"]) if m in both]
            both = both[metrics]
            gain = (both.loc[FIT.name] - both.loc[name]).to_numpy(dtype=float)
            if len(gain) < 2 or not (gain > 0).all():
                continue
            errors = [_error(scores, label, metric, name) for metric in metrics]
            sure = any(gain > SURE * np.array(errors))
            if sure:
                first = metrics[0]
                theirs, ours = (float(both[first][method]) for method in (name, FIT.name))
                how, given = COUNTERPARTS[name].how, COUNTERPARTS[name].given
                yield Caveat(
                    "counterpart",
                    f"On {named(label)} the same fit {how} ({name}) predicts better in every "
                    f"metric ({first} {theirs:.3g}, cellam {ours:.3g}).",
                    f"Compare its answers before you believe these: fit again {how} ({given}).",
                )


def control_caveats(controls: Iterable[Controlled], found: Iterable[Skill]) -> Iterator[Caveat]:
    """A caveat for each control that does what it ought not to.

    Parameters
    ----------
    controls : iterable of Controlled
    found : iterable of Skill
        Of the fit, among others.
    """
    ours = {(s.label, s.metric): s for s in found if s.method == FIT.name}
    for control in controls:
        key = control.label, control.skill.metric
        if key in ours and control.failed(ours[key]):
            yield Caveat(
                "control",
                f"{named(control.label)}: {control.says} The fit itself has {ours[key].value:.2f}.",
                "Do not believe the scores of this day."
                if CONTROLS[control.control].vanishes
                else "This day does not test which cells become which: hold out another one.",
            )


def _error(scores: Scores, label: str, metric: str, name: str) -> float:
    """Standard error of the difference of two scores of a day."""
    c = scores.covariance[label, metric].loc[[FIT.name, name], [FIT.name, name]].to_numpy()
    return float(np.sqrt(max(c[0, 0] + c[1, 1] - 2 * c[0, 1], 0.0)))


def beyond_last(scores: Scores | None, last: str) -> Caveat:
    """What simulating beyond the last day is worth, by an evaluation of it where there is one.

    Parameters
    ----------
    scores : Scores or None
        Of the last training day, held out; None where it was not.
    last : str
        Its label.
    """
    if scores is None:
        return Caveat(
            "extrapolation",
            f"Nothing shows how well this fit predicts days beyond {named(last)}: scores of inner "
            "days promise nothing there.",
            f"Hold the last day out with `cellam eval`: `holdout={last!r}`.",
        )
    table = scores.table
    metric = str(table["metric"].iloc[0])
    values = table[table["metric"] == metric].set_index("method")["value"]
    said = f"{metric} {values[FIT.name]:.3g}"
    if "previous" in values:
        better = values[FIT.name] < values["previous"]
        said += (
            f", and the day before as it is {values['previous']:.3g}"
            f"{'' if better else ', which is nearer'}"
        )
    return Caveat(
        "extrapolation",
        f"When {named(last)} was held out and simulated from the days before, its distance to the "
        f"observed cells was {said}.",
        "Expect no better beyond it, and worse with the distance.",
    )
