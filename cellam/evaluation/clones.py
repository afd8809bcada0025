"""Validation: do predicted fates match where the sisters of a cell were found?

Every contender says for every early cell which observed cells of the late day stand for its
descendants (`analysis.fates.Transitions`), and none of them sees the barcodes it is scored by (see
`sisters`): also where a fit relies on barcodes, and then the same fit without any stands beside it.

Cells of one clone are not independent, so intervals come from drawing clones anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cellam.analysis.assignment import reference, reference_of
from cellam.analysis.descendants import share_alike, transitions
from cellam.analysis.fates import predict_fates
from cellam.analysis.terminal import Terminal
from cellam.analysis.weighing import probabilities
from cellam.dynamics.couplings import Balanced, Planned, Unbalanced, couple
from cellam.dynamics.distances import draw_rows, w1
from cellam.errors import DataError
from cellam.evaluation.reliability import interval, reliability
from cellam.evaluation.sisters import FEWEST, Sisters, find_sisters, unseen
from cellam.modelling.model import Model

Array = NDArray[np.float64]

OURS = "cellam"
MOST_POINTS = 500  # of what a clone is predicted to be; a clone has few sisters to compare with
AT_ONCE = 4_000_000  # weights of cells in draws of the bootstrap that are held in memory
SCORES = {
    "correlation": "between the predicted probability and the share of the sisters, over cells",
    "AUROC": "probability that a sister in a state had a higher predicted probability of it than "
    "one in another state",
    "Brier": "mean squared error of the probabilities, summed over states",
    "W1": "Wasserstein-1 between predicted and observed sisters of a clone",
}
HIGHER = ("correlation", "AUROC")  # is better; of the others lower


@dataclass(frozen=True)
class Validation:
    """Scores of predicted fates against the fates of sisters.

    Parameters
    ----------
    terminal : Terminal
        Where the sisters were found, and the column of their states.
    cells : int
        Early cells with sisters on the late day.
    sisters : int
        Late cells with sisters on an early day.
    clones : int
    states : tuple of str
        States that were scored by correlation and AUROC: enough clones have them, enough have not.
    table : pandas.DataFrame
        A row for each method and score, over all states and for each (`state`; "all" is the
        mean, weighted by the share of the sisters): value, low and high (95 % over clones),
        and the gain of cellam over the method with its interval (gain, gain_low, gain_high; above 0
        cellam is better).
    reliability : pandas.DataFrame
        Of cellam's probabilities, as `reliability.reliability`.
    """

    terminal: Terminal
    cells: int
    sisters: int
    clones: int
    states: tuple[str, ...]
    table: pd.DataFrame
    reliability: pd.DataFrame


def verdict(table: pd.DataFrame) -> str:
    """What the gains over the contenders allow to say of each score, in one sentence for each.

    Parameters
    ----------
    table : pandas.DataFrame
        As `Validation.table`. A gain is clear where its 95 % interval leaves zero out.
    """
    whole = table[(table["state"] == "all") & (table["method"] != OURS)]
    said = []
    for score in SCORES:
        rows = whole[whole["score"] == score]
        better, worse, even = (
            list(rows.loc[of, "method"])
            for of in (
                rows["gain_low"] > 0,
                rows["gain_high"] < 0,
                ~(rows["gain_low"] > 0) & ~(rows["gain_high"] < 0) & rows["gain"].notna(),
            )
        )
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("worse than", worse),
                ("better than", better),
                ("not clearly different from", even),
            )
            if names
        ]
        if parts:
            said.append(f"In {score}, {OURS} is {'; '.join(parts)}.")
    return "\n".join(said)


@dataclass(frozen=True)
class _Compared:
    """What became of the clones of early cells, and what was predicted."""

    clone: NDArray[np.int64]  # (n,) of each early cell
    share: Array  # (n, S) of the states among its sisters
    predicted: dict[str, Array]  # (n, S), by method
    w1: dict[str, Array]  # (C,) by method, of each clone


Contender: TypeAlias = Callable[[Model, str, str, "pd.Series[Any]"], sparse.csr_matrix]


def _stand_still(model: Model, start: str, end: str, types: pd.Series[Any]) -> sparse.csr_matrix:
    days = model.snapshots
    return reference(model, [days.index(end)], types).nearest(days.points[days.index(start)])


def _everyone(model: Model, start: str, end: str, types: pd.Series[Any]) -> sparse.csr_matrix:
    days = model.snapshots
    m = len(days.points[days.index(end)])
    return sparse.csr_matrix(np.full((1, m), 1 / m))


def _chained(coupling: Planned) -> Contender:
    """Plans between neighbouring days, one after the other, as moscot and WOT chain them."""

    def chain(model: Model, start: str, end: str, types: pd.Series[Any]) -> sparse.csr_matrix:
        days = model.snapshots
        k, l = days.index(start), days.index(end)  # noqa: E741
        fitted = [j for j in range(k + 1, l) if days.labels[j] in model.training.labels]
        joint = sparse.identity(len(days.points[k]), format="csr")
        rng = np.random.default_rng(model.options.seed)
        for i, j in itertools.pairwise([k, *fitted, l]):
            x, y = days.points[i], days.points[j]
            pairs = couple(coupling, x, y, days.weights[i], days.weights[j], rng)
            plan = sparse.csr_matrix((pairs.mass_1, (pairs.i, pairs.j)), (len(x), len(y)))
            grown = sparse.diags(1 / days.weights[i]) @ plan  # descendants for each cell
            joint = joint @ grown
        # The mean over alike cells of the start, as of the trajectories of cellam.
        alike = share_alike(reference(model, [k], types), np.asarray(joint.sum(1)).ravel())
        return alike @ _normalised(joint)

    return chain


def _normalised(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The matrix with rows that sum to 1."""
    total = np.asarray(matrix.sum(1)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / total) @ matrix)


def _ours(model: Model, start: str, end: str, types: pd.Series[Any]) -> sparse.csr_matrix:
    return transitions(model, start, end, types, seed=model.options.seed).matrix


# How each contender finds the cells of the late day that stand for descendants: a row for each
# cell of the early day, or one for all of them.
CONTENDERS: dict[str, tuple[Contender, str]] = {
    OURS: (_ours, "predicted by the fit"),
    "nearest": (_stand_still, "the nearest cells of the terminal day, without dynamics"),
    "ot": (_chained(Balanced()), "exact optimal transport, chained over the days in between"),
    "uot": (_chained(Unbalanced()), "unbalanced transport with tau 1, chained"),
    "mean": (_everyone, "shares of all cells of the terminal day, the same for every cell"),
}
PLAIN = "no-clones"


def described(methods: Sequence[str]) -> dict[str, str]:
    """What each method of a table is, in words."""
    told = {name: how for name, (_, how) in CONTENDERS.items()}
    if PLAIN in methods:
        told[OURS] = "predicted by the fit, without the barcodes of the clone in question"
        told[PLAIN] = "the same, fitted without barcodes"
    return {name: told[name] for name in methods}


def validate(
    model: Model,
    types: pd.Series[Any],
    clones: pd.Series[Any],
    *,
    start: Sequence[str],
    terminal: str,
    n_boot: int = 1_000,
    seed: int = 0,
    plain: Model | None = None,
) -> Validation:
    """Score predicted fates against the states in which sisters were found.

    Parameters
    ----------
    model : Model
    types, clones : pandas.Series
        State and clone of every cell of the data, in its order. What is no type is no clone
        either (see `reading.cell_types`).
    start : sequence of str
        Labels of the early days.
    terminal : str
        Label of the late day.
    n_boot : int
        Draws of the clones.
    seed : int
        Random seed for these draws.
    plain : Model, optional
        The same fit without barcodes, to be scored beside one that relies on them.

    Raises
    ------
    DataError
        If very few clones were found on both an early and the late day.
    """
    late_cells = reference_of(model, terminal, types)
    of_state, states = late_cells.memberships(), late_cells.names
    sisters = find_sisters(model, types, clones, start=start, terminal=terminal, of_state=of_state)
    there, not_there = (sisters.share > 0).sum(0), (sisters.share < 1).sum(0)
    scored = np.flatnonzero((there >= FEWEST) & (not_there >= FEWEST))
    if not len(scored):
        raise DataError(
            f"No state of obs[{types.name!r}] is found in {FEWEST} of the {sisters.number} clones "
            f"and missing in {FEWEST} others.",
            "Choose another column: `terminal=DAY:COLUMN`.",
        )
    found = _compare(_asked(model, plain, sisters, terminal), sisters, of_state, terminal, types)
    draws = sisters.draws(n_boot, np.random.default_rng(seed))
    return Validation(
        Terminal(terminal, str(types.name)),
        len(sisters.clone),
        sum(map(len, sisters.late)),
        sisters.number,
        tuple(states[s] for s in scored),
        _table(found, scored, states, draws),
        reliability(found.predicted[OURS], sisters.observed, draws[:, sisters.clone]),
    )


# Models that are asked, by contender, each with the clones (C,) for which its answer counts.
_Asked: TypeAlias = dict[str, list[tuple[Model, NDArray[np.bool_]]]]


def _asked(model: Model, plain: Model | None, sisters: Sisters, terminal: str) -> _Asked:
    """Whom to ask of each clone: of ours, a model that has not seen its barcodes."""
    every = np.ones(sisters.number, dtype=bool)
    ours = unseen(model.without_ensemble(), sisters, terminal, seed=model.options.seed)
    beside = {} if plain is None else {PLAIN: [(plain.without_ensemble(), every)]}
    others = {name: [(model, every)] for name in CONTENDERS if name != OURS}
    return {OURS: ours, **beside, **others}


def _compare(
    asked: _Asked,
    sisters: Sisters,
    of_state: sparse.csr_matrix,
    terminal: str,
    types: pd.Series[Any],
) -> _Compared:
    """What every contender predicts for the early cells, and how far it is from their sisters."""
    days = asked[OURS][0][0].snapshots
    x = days.points[days.index(terminal)]
    sizes = np.bincount(sisters.clone, minlength=sisters.number)
    ends = np.cumsum([0, *map(len, sisters.early.values())])
    predicted, transported = {}, {}
    for name, models in asked.items():
        contender = CONTENDERS[OURS if name == PLAIN else name][0]
        p, cloud = np.empty(sisters.observed.shape), sparse.csr_matrix((sisters.number, len(x)))
        for (model, of), (k, (label, rows)) in itertools.product(
            models, enumerate(sisters.early.items())
        ):
            counts = of[sisters.clone[ends[k] : ends[k + 1]]]
            cells = ends[k] + np.flatnonzero(counts)
            matrix = contender(model, label, terminal, types)
            at = rows[counts] if matrix.shape[0] > 1 else np.zeros_like(rows[counts])
            if name in (OURS, PLAIN):
                seed = model.options.seed
                fates = predict_fates(model, label, types, terminal=terminal, seed=seed)
                p[cells] = fates.probability[at]
            else:
                p[cells] = probabilities(matrix, of_state)[at]
            clone, shape = sisters.clone[cells], (sisters.number, matrix.shape[0])
            cloud = cloud + sparse.csr_matrix((1 / sizes[clone], (clone, at)), shape) @ matrix
        predicted[name] = p
        transported[name] = np.array(
            [_distance(x, cloud[c], rows) for c, rows in enumerate(sisters.late)]
        )
    return _Compared(sisters.clone, sisters.observed, predicted, transported)


def _distance(x: Array, cloud: sparse.csr_matrix, sisters: NDArray[np.int64]) -> float:
    """W1 between the cells that stand for the descendants of a clone, (1, m), and its sisters."""
    at, share = cloud.indices, cloud.data / cloud.sum()
    if len(at) > MOST_POINTS:
        chosen, share = draw_rows(share, MOST_POINTS, np.random.default_rng(0))
        at = at[chosen]
    return w1(x[at], share, x[sisters], np.full(len(sisters), 1 / len(sisters)))


def _table(
    found: _Compared,
    scored: NDArray[np.int64],
    states: tuple[str, ...],
    weights: Array,
) -> pd.DataFrame:
    """Scores for weights (draws, clones), of which the first row is what was found."""
    parts = np.array_split(weights, -(-weights.shape[0] * len(found.clone) // AT_ONCE))
    values = {
        name: _joined([_scores(found, name, scored, states, part) for part in parts])
        for name in found.predicted
    }
    rows = []
    for name, of_method in values.items():
        for (state, score), drawn in of_method.items():
            better = 1.0 if score in HIGHER else -1.0
            gain = better * (values[OURS][state, score] - drawn)
            rows.append(
                {
                    "method": name,
                    "state": state,
                    "score": score,
                    **interval("value", "low", "high", drawn),
                    **interval("gain", "gain_low", "gain_high", gain),
                }
            )
    return pd.DataFrame(rows)


def _joined(parts: list[dict[tuple[str, str], Array]]) -> dict[tuple[str, str], Array]:
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _scores(
    found: _Compared,
    name: str,
    scored: NDArray[np.int64],
    states: tuple[str, ...],
    weights: Array,
) -> dict[tuple[str, str], Array]:
    """Each score by state and name, (draws,), for weights (draws, clones)."""
    p, share, w = found.predicted[name], found.share, weights[:, found.clone]
    scores: dict[tuple[str, str], Array] = {}
    rates = w @ share[:, scored] / w.sum(1, keepdims=True)  # (draws, S)
    for score, of in (("correlation", correlations), ("AUROC", areas)):
        each = np.column_stack([of(p[:, s], share[:, s], w) for s in scored])
        # Where all clones of a draw agree on a state it has no score: the mean is of the others.
        weight = np.where(np.isnan(each), 0.0, rates)
        total = weight.sum(1)
        mean = np.nansum(weight * each, axis=1) / np.where(total > 0, total, np.nan)
        scores["all", score] = mean
        scores |= {(states[s], score): each[:, k] for k, s in enumerate(scored)}
    scores["all", "Brier"] = w @ ((p - share) ** 2).sum(1) / w.sum(1)
    scores["all", "W1"] = weights @ found.w1[name] / weights.sum(1)
    return scores


def correlations(p: Array, share: Array, w: Array) -> Array:
    """Weighted correlation of p and share, (n,) both, for each row of weights w (B, n)."""
    total = w.sum(1)
    mean_p, mean_s = w @ p / total, w @ share / total
    var_p, var_s = w @ p**2 / total - mean_p**2, w @ share**2 / total - mean_s**2
    cov = w @ (p * share) / total - mean_p * mean_s
    varies = (var_p > 1e-12) & (var_s > 1e-12)
    return np.where(varies, cov / np.sqrt(np.where(varies, var_p * var_s, 1.0)), np.nan)


def areas(p: Array, share: Array, w: Array) -> Array:
    """AUROC of p, (n,), where `share` of each cell is positive, for each row of weights w (B, n).

    P(p⁺ > p⁻) + ½ P(p⁺ = p⁻) for one draw in the state and one that is not.
    """
    values, at = np.unique(p, return_inverse=True)
    steps = sparse.csr_matrix((np.ones(len(p)), (np.arange(len(p)), at)), (len(p), len(values)))
    positive, negative = (w * share) @ steps, (w * (1 - share)) @ steps  # (B, values)
    below = np.cumsum(negative, axis=1) - 0.5 * negative
    pairs = positive.sum(1) * negative.sum(1)
    area = (positive * below).sum(1)
    return np.where(pairs > 1e-12, area / np.where(pairs > 1e-12, pairs, 1.0), np.nan)
