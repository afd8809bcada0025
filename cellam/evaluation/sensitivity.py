"""Sensitivity: how far the answers of a fit move when one of its settings is another.

The fit is made again with fewer and more components and genes, with another penalty on growth or
none, another curvature and other random numbers, one at a time. Each is asked the same: the skill
on held-out days, the growth of every cell type, and what the types of the first day become. An
answer is stable if all fits give it: on which side of zero a skill or a growth rate is, and which
fate is the most likely. That says nothing of what all of these fits have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.fates import predict_fates
from cellam.dynamics.fitting import OnProgress, Progress, silent
from cellam.evaluation.contenders import FIT
from cellam.evaluation.evaluate import evaluate
from cellam.evaluation.metrics import LEAD
from cellam.evaluation.skill import skills
from cellam.executors.executor import as_done
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.modelling.pipeline import fit
from cellam.modelling.selection import TAUS
from cellam.options import N_TOP_GENES, Options
from cellam.reading.cell_types import resolve_types
from cellam.reading.cells import Cells

AS_FITTED = "as fitted"
FEWEST = 10  # cells of a type that is asked for
ROUNDING = 1e-9  # of the log of a mass over all days: that is no growth

_Changes: TypeAlias = Iterator[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Answers:
    """What a fit says.

    Parameters
    ----------
    skill : dict of str to float
        By held-out day, in energy distance.
    growth : dict of str to float
        Mean over the cells of each type, per unit of time; empty where mass is conserved.
    fates : dict of str to dict of str to float
        Shares of the types of the last training day in the descendants of each type of the first.
    """

    skill: dict[str, float]
    growth: dict[str, float]
    fates: dict[str, dict[str, float]]

    def said(self) -> dict[str, str]:
        """Every answer by its question, as coarse as a reader takes it."""
        return {
            **{f"the skill on {day}": _side(value) for day, value in self.skill.items()},
            **{f"the growth of {name}": _side(value) for name, value in self.growth.items()},
            **{f"the fate of {name}": max(f, key=lambda k: f[k]) for name, f in self.fates.items()},
        }


def _side(value: float) -> str:
    return "above zero" if value > 0 else "below zero"


@dataclass(frozen=True)
class Sensitivity:
    """Answers of the fit, and of fits with one setting changed, by what was changed."""

    answers: dict[str, Answers]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each fit: skill by day, and the largest moves of growth and of fates by type.

        Growth moves by a rate per unit of time, fates by a share of the descendants.
        """
        base = self.answers[AS_FITTED]
        return pd.DataFrame(
            [
                {
                    "setting": name,
                    **{f"skill {day}": value for day, value in found.skill.items()},
                    "growth_moved": _most(
                        abs(found.growth[k] - base.growth[k])
                        for k in found.growth.keys() & base.growth.keys()
                    ),
                    "fates_moved": _most(
                        abs(found.fates[k][s] - share)
                        for k, fates in base.fates.items()
                        for s, share in fates.items()
                    ),
                }
                for name, found in self.answers.items()
            ]
        )

    @property
    def unstable(self) -> dict[str, tuple[str, ...]]:
        """Questions that some fits answer otherwise, each with the settings of those fits.

        A fit that conserves mass is not asked for growth.
        """
        said = {name: found.said() for name, found in self.answers.items()}
        base = said.pop(AS_FITTED)
        others = {
            q: tuple(name for name, of in said.items() if of.get(q, answer) != answer)
            for q, answer in base.items()
        }
        return {question: names for question, names in others.items() if names}

    @property
    def says(self) -> str:
        """Which answers are stable, in a sentence."""
        base, unstable = self.answers[AS_FITTED].said(), self.unstable
        stable = [f"{q} ({answer})" for q, answer in base.items() if q not in unstable]
        said = f"{self._with}, {len(stable)} of {len(base)} answers stay the same"
        said += f": {', '.join(stable)}." if stable else "."
        if unstable:
            moved = [f"{q} ({', '.join(names)})" for q, names in unstable.items()]
            said += f" Not the same: {', '.join(moved)}."
        return said

    @property
    def brief(self) -> str:
        """The same, without the answers that stay."""
        base, unstable = self.answers[AS_FITTED].said(), self.unstable
        same = f"{len(base) - len(unstable)} of {len(base)} answers stay the same"
        others = f"; {', '.join(unstable)} did not" if unstable else ""
        return f"{self._with}, {same}{others}."

    @property
    def _with(self) -> str:
        n = len(self.answers) - 1
        return f"With {n} other setting{'s' * (n != 1)} of the fit"

    def to_json(self) -> list[dict[str, Any]]:
        """A dict for each fit."""
        return [{"setting": name, **vars(found)} for name, found in self.answers.items()]

    @staticmethod
    def from_json(stored: Iterable[dict[str, Any]]) -> Sensitivity:
        """The sensitivity that `to_json` was asked of."""
        return Sensitivity(
            {row["setting"]: Answers(row["skill"], row["growth"], row["fates"]) for row in stored}
        )


def _most(moves: Iterable[float]) -> float:
    return max(moves, default=float("nan"))


def settings(model: Model, n_genes: int) -> dict[str, Options]:
    """Options that differ from those of a fit in one setting, by what is changed.

    Parameters
    ----------
    model : Model
    n_genes : int
        Of the data; 0 for a representation.
    """
    given = model.options.model_dump() | {"ensemble": None}
    found = {}
    for changes in (_components, _genes, _growth, _curvature, _seeds):
        for name, change in changes(model, n_genes):
            found[name] = Options(**given | change)
    return found


def _components(model: Model, n_genes: int) -> _Changes:
    d = model.space.n_dims
    if d > 1:
        yield f"{d // 2} components", {"n_pcs": d // 2}
    more = min(2 * d, n_genes - 1, min(len(x) for x in model.training.points) - 1)
    if more > d:
        yield f"{more} components", {"n_pcs": more}


def _genes(model: Model, n_genes: int) -> _Changes:
    used = min(model.options.n_top_genes or N_TOP_GENES, n_genes)
    for n in (used // 2, min(2 * used, n_genes)):
        if n != used and n > model.space.n_dims:
            yield f"{n:,} genes", {"n_top_genes": n}


def _growth(model: Model, n_genes: int) -> _Changes:
    options, chosen = model.options, model.choice.recipe.coupling.label
    if not options.has_growth or options.path not in (None, "uot"):
        return
    for tau in TAUS:
        if chosen != f"tau {tau:g}":
            yield f"tau {tau:g}", {"path": "uot", "tau": tau}
    if chosen != "ot" and options.growth_prior is None:
        yield "path ot", {"path": "ot", "tau": None}


def _curvature(model: Model, n_genes: int) -> _Changes:
    recipe = model.choice.recipe
    if not recipe.coupling.moves or len(model.training) < 3:
        return
    for curvature in (0.0, 0.5, 1.0):
        if curvature != recipe.curvature:
            yield f"curvature {curvature:g}", {"curvature": curvature}


def _seeds(model: Model, n_genes: int) -> _Changes:
    for more in (1, 2):
        yield f"seed {model.options.seed + more}", {"seed": model.options.seed + more}


def sweep(
    cells: Cells,
    model: Model,
    holdout: Iterable[str],
    *,
    on_progress: OnProgress = silent,
) -> Sensitivity:
    """Ask a fit, and fits with one setting changed, the same questions.

    Parameters
    ----------
    cells : Cells
        Of the fit. Without an annotation of their types, only skill is asked for.
    model : Model
    holdout : iterable of str
        Labels of days to predict.
    on_progress : callable
        Told how many fits have answered.

    Raises
    ------
    ConfigError, DataError, TrainingError
        As `cellam.fit` and `cellam.evaluate`.
    """
    as_fitted = Options(**model.options.model_dump() | {"ensemble": None})
    asked = {AS_FITTED: as_fitted, **settings(model, len(cells.genes))}
    shared = _Task(cells, model.without_ensemble(), tuple(holdout))
    names, found = list(asked), dict[str, Answers]()
    on_progress(Progress("change settings", 0, len(asked)))
    for k, answers in as_done(_answer, shared, list(asked.values())):
        found[names[k]] = answers
        on_progress(Progress("change settings", len(found), len(asked)))
    return Sensitivity({name: found[name] for name in names})


@dataclass(frozen=True)
class _Task:
    """What all settings have in common."""

    cells: Cells
    model: Model
    holdout: tuple[str, ...]


def _answer(task: _Task, options: Options) -> Answers:
    cells = task.cells
    model = task.model if options == task.model.options else fit(cells, options)
    scores = evaluate(
        cells, task.holdout, options, metrics=(LEAD,), counterpart=False, refits=0
    ).scores
    skill = {s.label: s.value for s in skills(scores) if s.method == FIT.name}
    types = resolve_types(cells.obs, cells.codes)
    if types is None:
        return Answers(skill, {}, {})
    return Answers(skill, _growth_by_type(model, types), _fates_by_type(model, types))


def _growth_by_type(model: Model, types: pd.Series[Any]) -> dict[str, float]:
    days, rates = model.training, pd.Series(growth_rates(model))
    grown = rates.abs().max() * (days.times[-1] - days.times[0])
    if grown < ROUNDING:  # mass is conserved, by the method or by the path
        return {}
    of: NDArray[Any] = types.iloc[model.snapshots.data_rows].to_numpy()
    by_type = rates.groupby(of)
    means, sizes = by_type.mean(), by_type.size()
    return {str(name): float(means[name]) for name in means.index if sizes[name] >= FEWEST}


def _fates_by_type(model: Model, types: pd.Series[Any]) -> dict[str, dict[str, float]]:
    found = predict_fates(model, model.training.labels[0], types, seed=model.options.seed)
    return {row["type"]: row["fate"] for row in found.by_type(types) if row["cells"] >= FEWEST}
