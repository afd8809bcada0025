"""Outcome: what a fit says of the cells, as pictures and tables of the page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cellam.analysis.assignment import reference_of
from cellam.analysis.basis import Basis, find_basis
from cellam.analysis.composition import composition, roles
from cellam.analysis.descendants import DRAWS
from cellam.analysis.fates import predict_fates
from cellam.analysis.growth_range import GrowthRange, growth_range, has_range
from cellam.analysis.over_replicates import (
    at_least,
    composition_over_replicates,
    fates_over_replicates,
    growth_over_replicates,
    rows_of,
)
from cellam.analysis.uncertainty import Followed, follow
from cellam.days.time_labels import named
from cellam.modelling.left_out import LeftOut
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.modelling.outside import Outside, outside
from cellam.modelling.simulated import Simulation
from cellam.plots import maps, populations
from cellam.plots.landscape import landscape
from cellam.plots.sample import drawn_cells
from cellam.plots.tables import heatmap
from cellam.reading.cell_types import offer_types, resolve_types
from cellam.reading.palette import Palette, find_palette
from cellam.report import images
from cellam.report.findings import (
    MOST_COLUMNS,
    growth_by_type,
    left_out_of_table,
    shares,
    thinned_out,
    unsure_by_type,
)
from cellam.report.images import Picture
from cellam.report.wording import explain_decided, explain_growth

if TYPE_CHECKING:
    from anndata import AnnData

FOLLOWED = 1_000  # cells of the first day that are simulated
MOST_FOLLOWED = 10_000  # of them for the table of fates, in which rare types have rows
DRAWN = 30  # of them, whose trajectories are drawn
SAVED = 40  # times of a trajectory


def describe_outcome(
    model: Model,
    adata: AnnData | None,
    groupby: str | None,
    basis: str | None,
    growth: GrowthRange | None = None,
    left: LeftOut | None = None,
) -> dict[str, Any]:
    """All that the page says of cells.

    Parameters
    ----------
    model : Model
    adata : AnnData or None
        The data without their expression; without them there are no types.
    groupby, basis, growth, left : optional
        As for `write_report`.
    """
    types = resolve_types(adata.obs, model.snapshots.codes, groupby) if adata is not None else None
    return _Outcome(model, adata, types, basis, growth, left).describe()


@dataclass(frozen=True)
class _Outcome:
    """A model, and the cells of its first training day followed to the last."""

    model: Model
    adata: AnnData | None
    types: pd.Series[Any] | None
    given_basis: str | None
    given_growth: GrowthRange | None
    left: LeftOut | None

    def describe(self) -> dict[str, Any]:
        """Pictures and tables, by the names that the template has for them."""
        model, adata, types = self.model, self.adata, self.types
        grows = not model.conserves_mass
        return {
            "key": self.key,
            "unannotated": int(types.isna().sum()) if types is not None else 0,
            "annotated": adata is not None,
            "columns": [] if adata is None else offer_types(adata.obs, model.snapshots.codes),
            "start": self.start,
            "end": self.end,
            "who": self.who,
            "per_time": model.timeline.per_time,
            "velocity": self.velocity(),
            "trajectories": self.trajectories(),
            "landscape": self.landscape(),
            "growth": self.growth() if grows else None,
            "ranges": self.ranges() if self.by_type else None,
            "growth_by_type": self.by_type,
            "growth_said": explain_growth(self.by_type, model),
            "unsure": unsure_by_type(model, types),
            "mass": self.mass() if grows else None,
            "composition": self.composition() if types is not None else None,
            "shares": shares(self.frame, self.outside),
            "fates": _fates(model, types, self.left),
            "interval": self.interval,
            "over": self.left.says if self.left is not None else "",
            "at_least": at_least(self.frame),
            "shift": self.shift,
        }

    @property
    def key(self) -> str | None:
        """The column of cell types."""
        return str(self.types.name) if self.types is not None else None

    @property
    def start(self) -> str:
        return named(self.model.training.labels[0])

    @property
    def end(self) -> str:
        return named(self.model.training.labels[-1])

    @property
    def n(self) -> int:
        """How many cells are followed."""
        return min(FOLLOWED, len(self.model.training.points[0]))

    @property
    def who(self) -> str:
        """Which cells are followed."""
        N = len(self.model.training.points[0])
        if self.n == N:
            return f"All {N:,} cells of {self.start}"
        return f"{self.n:,} of the {N:,} cells of {self.start}, drawn at random"

    @property
    def drawn(self) -> str:
        """Which cells are on the maps."""
        return drawn_cells(self.model).said or "all cells"

    @property
    def of_all(self) -> str:
        """The same for a caption; empty where all of them are."""
        said = drawn_cells(self.model).said
        return f" ({said}, drawn at random)" if said else ""

    @cached_property
    def basis(self) -> Basis:
        return find_basis(self.model, self.adata, self.given_basis)

    @cached_property
    def rate(self) -> np.ndarray[Any, Any]:
        """Growth rate of each cell, day by day."""
        return growth_rates(self.model)

    @cached_property
    def by_type(self) -> list[dict[str, Any]]:
        """How each type grows, with its range."""
        if self.types is None or not has_range(self.model):
            return []
        rows = growth_by_type(self.model, self.types, self.growth_range)
        return growth_over_replicates(self.model, rows, self.types, self.left)

    @cached_property
    def growth_range(self) -> GrowthRange:
        """Growth of all cells, and what the days leave open of it."""
        return self.given_growth or growth_range(self.model)

    @property
    def shift(self) -> float:
        """How far the mean of the cells is on the last day from that on the first, in their sd."""
        points = self.model.training.points
        first, last = points[0], points[-1]
        sd = np.sqrt(0.5 * (first.var(0).sum() + last.var(0).sum()))
        return float(np.linalg.norm(last.mean(0) - first.mean(0)) / max(sd, 1e-12))

    @cached_property
    def followed(self) -> Followed | None:
        """The cells followed by each member of the ensemble, if there is one."""
        return follow(self.model, self._move) if self.model.ensemble else None

    @cached_property
    def moved(self) -> Simulation:
        return self.followed.simulation if self.followed is not None else self._move(self.model)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """What the cells are on each day, and what the day is to the fit."""
        frame = composition(self.model, self.moved, self.types)
        start, seed = self.model.training.labels[0], self.model.options.seed
        frame = composition_over_replicates(
            frame, self.types, self.left, lambda m: m.simulate(start, seed=seed)
        )
        return frame.assign(said=roles(self.model, frame))

    @property
    def outside(self) -> tuple[Outside, ...]:
        """How many of the followed cells lie outside the observed data on the days."""
        days = np.isin(self.moved.times, self.frame["time"])
        moved = replace(
            self.moved,
            times=self.moved.times[days],
            points=self.moved.points[days],
            log_weights=self.moved.log_weights[days],
        )
        model = self.model
        far = model.support.remoteness(model.space.from_coordinates(moved.positions)) > 1
        return outside(model.training, model.support, moved, far)

    @property
    def interval(self) -> str:
        """Which interval shares have."""
        if self.left is not None and "simulated_replicates" in self.frame:
            return self.left.says
        return "95 % interval by the number of cells alone"

    def _move(self, model: Model) -> Simulation:
        days, seed = self.model.training, self.model.options.seed
        step = (days.times[-1] - days.times[0]) / SAVED
        return model.simulate(days.labels[0], n_cells=self.n, save_every=step, seed=seed)

    def velocity(self) -> Picture:
        first, second = self.basis.axes
        speed = f" In {self.basis.name} it is a mean direction towards neighbours, not a speed."
        return images.picture(
            lambda: maps.velocity(self.model, self.adata, basis=self.given_basis, color=self.key),
            f"Map of {self.drawn} in {first} and {second}, coloured by {self.key or 'time'}, with "
            "streams along the velocity.",
            f"Velocity of each cell on its own day{self.of_all}."
            + ("" if self.basis.own else speed),
        )

    def trajectories(self) -> Picture:
        few = thinned_out(self.moved, DRAWN)
        drawn = f"Trajectories of {min(DRAWN, self.n)} cells of {self.start}"
        return images.picture(
            lambda: maps.trajectories(self.model, few, self.adata, basis=self.given_basis),
            f"{drawn} to {self.end} over a map of {self.drawn}.",
            f"{drawn}, from ring to dot. Colour is time; a wider line has more descendants "
            "(weight)." + " A line is dotted where the cell is replaced by an observed one, "
            "as too many would leave the data if they were followed further." * bool(few.stops),
        )

    def landscape(self) -> Picture:
        return images.picture(
            lambda: landscape(self.model, self.adata, basis=self.given_basis)[0],
            "Maps of the action on each day, with the cells of the day as dots.",
            "Landscape: the action on each day, less its mean over the cells of the day (dots). "
            "Cells move to higher values. Where it is pale the day has few cells, and the fit "
            "extrapolates.",
        )

    def growth(self) -> Picture:
        low, middle, high = np.quantile(self.rate, [0.02, 0.5, 0.98])
        relative = self.model.options.population is None
        return images.picture(
            lambda: maps.growth(
                self.model, self.adata, basis=self.given_basis, found=self.growth_range
            ),
            f"Map of {self.drawn} by growth rate: median {middle:.2g}, from {low:.2g} to "
            f"{high:.2g} {self.model.timeline.per_time} for 96 % of all.",
            f"Growth rate of cells in the fit, each on its own day{self.of_all}, "
            f"{'relative to the population' if relative else 'in absolute numbers'}. Triangles "
            "point up where cells grow and down where they shrink; where they are pale, another "
            "explanation of these days needs no growth, or the opposite.",
        )

    def ranges(self) -> Picture:
        rows, relative = self.by_type, self.model.options.population is None
        said = "; ".join(f"{r['type']} {r['low']:+.2g} to {r['high']:+.2g}" for r in rows)
        return images.picture(
            lambda: populations.ranges(rows, self.model.timeline.per_time, colours=self.colours),
            f"Range of the growth rate of each {self.key}: {said}.",
            f"Growth rate of each {self.key}, {'relative' if relative else 'absolute'}: in the fit "
            "(dot), and by all that explains these days as well (bar).",
        )

    @property
    def colours(self) -> Palette | None:
        """Colours of cell types, where the data are there."""
        if self.adata is None or self.key is None:
            return None
        return find_palette(self.adata, self.key)

    def mass(self) -> Picture:
        masses = ", ".join(f"{r['label']} {r['mass']:.2f}" for _, r in self.frame.iterrows())
        spread = self.followed.mass if self.followed is not None else None
        return images.picture(
            lambda: populations.mass(self.model, self.moved, spread),
            f"Mass over time: {masses} times that of {self.start}.",
            f"{self.who}: simulated mass, and the masses of the days.",
        )

    def composition(self) -> Picture:
        return images.picture(
            lambda: populations.composition(self.frame, colours=self.colours),
            f"Shares of {self.key} at each day, observed and simulated; the table below has the "
            "numbers.",
            f"{self.who}: simulated types, by weight, and those observed. "
            "At the start they are the cells' own, later those of the ten nearest annotated cells "
            f"of the day. Lines: {self.interval} of a share.",
        )


def _fates(
    model: Model, types: pd.Series[Any] | None, left: LeftOut | None
) -> dict[str, Any] | None:
    """What the cells of each type of the first day become by the last one, if that has types."""
    days = model.training
    if types is None or types.iloc[days.rows[-1]].isna().all():
        return None
    start, end = days.labels[0], days.labels[-1]
    few = _thinned(model.without_ensemble(), start)
    found = predict_fates(few, start, types, seed=model.options.seed)
    n, N = len(found.rows), len(days.points[0])
    ends = reference_of(model, end, types)
    rows = rows_of(found, types)
    whole = rows[-1]["fate"]
    states = sorted(whole, key=lambda name: -whole[name])
    return {
        "picture": images.picture(
            lambda: heatmap(rows, (named(start), named(end))),
            f"Heat map of what each type of {named(start)} becomes by {named(end)}; the table "
            "below has the numbers.",
            f"What each type of {named(start)} becomes by {named(end)}: share of its descendants "
            "by mass, and below the range over explanations of the same days.",
        ),
        "decided": explain_decided(*found.decided),
        "drawn": f"Based on {n:,} of {N:,} cells, drawn at random." if n < N else "",
        "states": states[:MOST_COLUMNS],
        "left": left_out_of_table(len(states[MOST_COLUMNS:])),
        "rows": fates_over_replicates(
            found, rows, types, left, draws=DRAWS, seed=model.options.seed
        ),
        "mixed_up": ends.mixed_up(),
        "rare": ends.rare,
        "observed": dict(zip(found.states, 100 * found.whole, strict=True)),
        "left_out": found.left_out(rows[-1]),
    }


def _thinned(model: Model, label: str) -> Model:
    """The same model with at most `MOST_FOLLOWED` cells on one day; the others stay whole."""
    days, k = model.snapshots, model.snapshots.index(label)
    few = days.thinned(MOST_FOLLOWED, np.random.default_rng(model.options.seed))
    points, rows = list(days.points), list(days.rows)
    points[k], rows[k] = few.points[k], few.rows[k]
    return replace(model, snapshots=replace(days, points=tuple(points), rows=tuple(rows)))
