"""Perturbation: what would become of cells if genes were expressed more, less, or not at all.

The expression of chosen cells is shifted, the shift projected on the principal components, and
the shifted cells are followed beside themselves unshifted: with the same seed, to the same day,
by the same model, and by every member of its ensemble. The effect is the difference.

A shift of g genes by Δ moves a cell by C Δ, with C the loadings: a prediction of what the model
believes of cells that look like that, and not of what a cell does to answer the intervention. A
single gene of hundreds moves a cell by little, and out of the data if many are moved by much;
`Perturbation.remote` says how many cells left the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.analysis.assignment import reference_of
from cellam.analysis.descendants import Ways
from cellam.analysis.genes import find_gene
from cellam.analysis.terminal import Terminal
from cellam.analysis.uncertainty import Spread
from cellam.days.time_labels import count_cells, named
from cellam.errors import ConfigError
from cellam.modelling.cohort import Cohort
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

Array = NDArray[np.float64]

KNOCK_OUT = "ko"
LEAST_SHARE, LEAST_LOG_MASS = 5e-5, 5e-4  # effects that are seen in print


@dataclass(frozen=True)
class Change:
    """A gene, and by how many standard deviations it is shifted; None knocks it out."""

    gene: str
    z: float | None

    def __str__(self) -> str:
        return f"{self.gene}={KNOCK_OUT if self.z is None else format(self.z, '+g')}"


@dataclass(frozen=True)
class Perturbation:
    """Effect on the fates and the growth of cells.

    Parameters
    ----------
    changes : tuple of Change
    start : str
        Label of the day of the cells.
    terminal : Terminal
        Where the states were read.
    rows : (n,) int array
        Where the cells stand in the data, or in the table of new cells.
    states : tuple of str, (S,)
    before, after : (n, S) arrays
        Probability of each state without and with the change.
    mass_before, mass_after : (n,) arrays
        Of the descendants of each cell, which has mass 1 itself.
    effects : (1 + K, S + 1) array
        Change of the share of each state in the descendants of all cells, and mean change of the
        log mass of a cell's descendants: as the model says, and each of the K members of its
        ensemble. Shares are by mass without the change: a change of growth is in the log mass
        alone, and does not pass for a change of fate.
    remote : (float, float)
        Share of the cells that are off the data, without and with the change.
    expressing : tuple of int
        Of each gene, how many of the cells were measured to express it (of scaled expression:
        above its mean).
    """

    changes: tuple[Change, ...]
    start: str
    terminal: Terminal
    rows: NDArray[np.int64]
    states: tuple[str, ...]
    before: Array
    after: Array
    mass_before: Array
    mass_after: Array
    effects: Array
    remote: tuple[float, float]
    expressing: tuple[int, ...] = ()

    @property
    def growth(self) -> Array:
        """Change of the log of the mass of each cell's descendants, (n,)."""
        return np.asarray(np.log(self.mass_after / self.mass_before))

    @property
    def shares(self) -> tuple[Array, Array]:
        """Share of each state in the descendants, (S,), without and with the change of fates.

        Both by mass without the change; the first is that of a simulation of the cells.
        """
        return _share(self.before, self.mass_before), _share(self.after, self.mass_before)

    @property
    def silent(self) -> tuple[str, ...]:
        """Genes that were to be lowered, though none of the cells expresses them."""
        return tuple(
            change.gene
            for change, n in zip(self.changes, self.expressing, strict=False)
            if n == 0 and (change.z is None or change.z < 0)
        )

    @property
    def spread(self) -> Spread | None:
        """The effects (S + 1,) with intervals; None without an ensemble."""
        return Spread.of(self.effects[0], self.effects[1:]) if len(self.effects) > 1 else None

    @property
    def agreeing(self) -> NDArray[np.int64]:
        """How many members say the same sign as the model of each effect, (S + 1,)."""
        signs = np.sign(self.effects)
        return np.asarray((signs[1:] == signs[0]).sum(0))

    @property
    def visible(self) -> bool:
        """Whether a fate changes by 0.005 points at least, or the log mass by 0.0005."""
        own = np.abs(self.effects[0])
        return bool((own[:-1] >= LEAST_SHARE).any() or own[-1] >= LEAST_LOG_MASS)

    def table(self, names: pd.Index[str]) -> pd.DataFrame:
        """A row for each cell: its name, day, and its change in growth and in each fate."""
        effect = self.after - self.before
        columns = {"cell": names[self.rows].astype(str), "day": self.start, "growth": self.growth}
        columns |= {f"fate_{s}": self.before[:, k] for k, s in enumerate(self.states)}
        columns |= {f"change_{s}": effect[:, k] for k, s in enumerate(self.states)}
        return pd.DataFrame(columns)


Changes: TypeAlias = Mapping[str, float | str | None] | Iterable[str | Change] | str | Change


def parse_changes(changes: Changes) -> tuple[Change, ...]:
    """Understand what is to be changed.

    Parameters
    ----------
    changes : mapping, iterable, str or Change
        "GENE=+2" (standard deviations) and "GENE=ko", or several of them, or from a gene to its
        shift, which is a number, or "ko" or None for a knock-out.

    Raises
    ------
    ConfigError
        For anything else, or a gene that is given twice.

    Examples
    --------
    >>> [str(change) for change in parse_changes(["Gata1=-3", "Spi1=2", "Klf1=ko"])]
    ['Gata1=-3', 'Spi1=+2', 'Klf1=ko']
    >>> [str(change) for change in parse_changes({"Gata1": -3, "Klf1": "ko"})]
    ['Gata1=-3', 'Klf1=ko']
    """
    found = [
        change if isinstance(change, Change) else _parse(*change) for change in _listed(changes)
    ]
    twice = [c.gene for c in found if sum(c.gene == other.gene for other in found) > 1]
    if twice or not found:
        raise ConfigError(
            f"{twice[0]} is given twice." if twice else "No gene was given.",
            "Name every gene once, e.g. -g Gata1=-3 -g Spi1=+2.",
        )
    return tuple(found)


def _listed(changes: Changes) -> Iterator[Change | tuple[str, object]]:
    """Every change, as it is or as a gene and its shift."""
    if isinstance(changes, Mapping):
        yield from changes.items()
        return
    for change in [changes] if isinstance(changes, str | Change) else changes:
        if isinstance(change, Change):
            yield change
        else:
            gene, _, size = str(change).rpartition("=")
            yield gene, size


def _parse(gene: str, size: object) -> Change:
    name, text = str(gene).strip(), KNOCK_OUT if size is None else str(size).strip()
    try:
        z = None if text.lower() == KNOCK_OUT else float(text)
    except ValueError:
        z = float("nan")
    if not name or (z is not None and (not np.isfinite(z) or z == 0)):
        raise ConfigError(
            f"{(f'{gene}={text}' if gene else text)!r} cannot be understood.",
            f"Give a gene and a shift in standard deviations, e.g. -g Gata1=-3, or "
            f"-g Gata1={KNOCK_OUT} to knock it out.",
        )
    return Change(name, z)


def shift(model: Model, cells: Cells, changes: Sequence[Change], x: Array) -> Array:
    """Move cells x (n, p), model coordinates, as a change of their expression does: (n, p).

    A shift is in standard deviations of the gene over the training cells. Expression is not
    negative: where it is not scaled, no shift goes below zero, and a knock-out goes there. The
    expression that is lowered is the one decoded from x, as a measured zero may be chance.

    Raises
    ------
    ConfigError
        If the space is a given representation, a gene is not part of it, or scaled expression
        would be knocked out.
    """
    space = model.space
    if space.rep is not None:
        raise ConfigError(
            f"The run was fitted in obsm[{space.rep!r}], into which expression cannot be "
            "projected.",
            "Fit without `use_rep` to perturb genes.",
        )
    genes = [find_gene(change.gene, space.genes) for change in changes]
    scaled = cells.kind == "scaled"
    if scaled and any(change.z is None for change in changes):
        raise ConfigError(
            'Expression is scaled, so no value stands for "not expressed".',
            "Give a shift instead, e.g. -g Gata1=-3, or fit on counts to knock genes out.",
        )
    trained = model.training.data_rows
    sd = space.expression(cells, genes)[trained].std(0)
    value = np.asarray(space.decode(x, genes), dtype=np.float64)  # (n, g)
    if not scaled:
        value = np.maximum(value, 0.0)
    z = np.array([change.z or 0.0 for change in changes])
    lost = np.array([change.z is None for change in changes])
    changed = np.where(lost, 0.0, value + z * sd)
    if not scaled:
        changed = np.maximum(changed, 0.0)
    where = [space.genes.index(gene) for gene in genes]
    moved: Array = x + (changed - value) @ space.components[:, where].T / space.scale
    return moved


def perturb(
    model: Model,
    cells: Cells,
    changes: Changes,
    start: str | Cohort,
    types: pd.Series[str],
    *,
    terminal: str | None = None,
    rows: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> Perturbation:
    """Follow the cells of a day with and without a change of their expression.

    Parameters
    ----------
    model : Model
        With an ensemble, the effects have intervals.
    cells : Cells
        The data of the fit.
    changes : mapping, iterable, str or Change
        As for `parse_changes`: ["Gata2=ko"] or {"Gata2": -3}.
    start : str or Cohort
        Label or number of a day, or cells that were not in the fit (`Model.cohort`).
    types : pandas.Series
        State of every cell of the data.
    terminal : str, optional
        Later day whose states are the fates; the last training day without it.
    rows : (k,) int array, optional
        Only these cells, as rows of the data.
    seed : int
        For noise, which is the same with and without the change.

    Raises
    ------
    ConfigError
        As for `shift`, for days or cells that do not fit together, and for a change that changes
        no cell.
    DataError
        As for `assignment.reference_of`.
    """
    changes = parse_changes(changes)
    days, cohort = model.snapshots, model.cohort(start)
    end = model.timeline.index(terminal or model.training.labels[-1])
    first, last = model.training.times[0], model.training.times[-1]
    if not first <= cohort.time < days.times[end] <= last:
        raise ConfigError(
            f"{days.labels[end]} is not a training day after {cohort.label}.",
            f"The training days are: {', '.join(model.training.labels)}.",
        )
    if rows is not None:
        cohort = cohort.among(rows)
    states = reference_of(model, days.labels[end], types)
    x = cohort.points
    moved = shift(model, cells, changes, x)
    expressing = _expressing(model, cohort.cells or cells, changes)[cohort.rows]
    if np.array_equal(moved, x):
        raise _no_change(model, cells, changes, expressing, cohort.label)

    of_state = states.memberships()

    def follow(m: Model) -> tuple[Array, Array, Array, Array]:
        ways = Ways(m, end, types, draws=1, seed=seed)
        (there, mass), (away, changed) = (ways.arrive(cohort.time, y) for y in (x, moved))
        return (there @ of_state).toarray(), (away @ of_state).toarray(), mass, changed

    own = follow(model)
    return Perturbation(
        changes,
        cohort.label,
        Terminal(days.labels[end], str(types.name)),
        cohort.rows,
        states.names,
        *own,
        np.array([_effect(*own), *(_effect(*follow(m)) for m in model.members)]),
        (
            float((model.support.remoteness(x) > 1).mean()),
            float((model.support.remoteness(moved) > 1).mean()),
        ),
        tuple(int(n) for n in expressing.sum(0)),
    )


def _expressing(model: Model, cells: Cells, changes: Sequence[Change]) -> NDArray[np.bool_]:
    """Whether each cell of a table was measured to express each gene, (n, g)."""
    genes = [find_gene(change.gene, model.space.genes) for change in changes]
    return np.asarray(model.space.expression(cells, genes) > 0)


def _no_change(
    model: Model,
    cells: Cells,
    changes: Sequence[Change],
    expressing: NDArray[np.bool_],
    label: str,
) -> ConfigError:
    """The error for genes that are lowered where they are not expressed."""
    days, of_data = model.snapshots, np.asarray(_expressing(model, cells, changes).any(1))
    found = [
        f"{name}: {int(of_data[of].sum()):,} of {len(of):,}"
        for name, of in zip(days.labels, days.rows, strict=True)
    ]
    n = int(expressing.any(1).sum())
    who = f"{'none' if n == 0 else f'only {n:,}'} of the {count_cells(len(expressing))}"
    return ConfigError(
        f"{', '.join(map(str, changes))} changes nothing: {who} of {named(label)} "
        f"{'expresses' if n < 2 else 'express'} it"
        + (", and the components of the fit do not capture it in these cells." if n else "."),
        f"Cells that express it, by day: {', '.join(found)}. Choose others with `start` or "
        "`from_cells`.",
    )


def _share(probability: Array, mass: Array) -> Array:
    """Mean by mass, (S,), of probabilities (n, S)."""
    return np.asarray(mass @ probability / mass.sum())


def _effect(before: Array, after: Array, mass_before: Array, mass_after: Array) -> Array:
    """Change of each state's share by unchanged mass, and mean change of log mass, (S + 1,)."""
    change = _share(after - before, mass_before)
    return np.append(change, np.log(mass_after / mass_before).mean())
