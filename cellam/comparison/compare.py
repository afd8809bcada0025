"""Compare: fit the cells of both conditions once, and say what the samples tell of a difference.

The verdict goes by what does not mind other starting cells: the differences of motion, and those of
arrival, which is what the common dynamics do not explain of a day by the day before. The larger
counts, over labellings (`relabelling`). Where it is not large, no single effect is called one of
dynamics, however small its own p-value [1]_. Growth by type is no part of it: how much of a change
is taken for growth depends on how many cells there are of what, and on simulated experiments
whose conditions differed in starting cells alone it had p of at most 0.1 in a quarter.

References
----------
.. [1] Marcus, Peritz and Gabriel, On closed testing procedures with special reference to ordered
   analysis of variance, Biometrika 63 (1976).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from cellam.comparison.deviation import Deviation, check_closed_form, equations
from cellam.comparison.effects import Scale, scale_of
from cellam.comparison.relabelling import MOST, labellings, smallest_p
from cellam.comparison.samples import Codes, Samples
from cellam.comparison.surplus import follow_samples
from cellam.comparison.table import dynamics_p, effects_table
from cellam.comparison.transfer import transfer
from cellam.comparison.units import find_samples
from cellam.comparison.verdict import LEVEL, NO_P, Verdict
from cellam.dynamics.fitting import OnProgress, Progress, silent
from cellam.errors import ConfigError, DataError
from cellam.executors.executor import in_order
from cellam.modelling.model import Model
from cellam.modelling.pipeline import fit
from cellam.options import Options
from cellam.reading.cell_types import list_offers, resolve_types
from cellam.reading.cells import Cells
from cellam.reading.samples import OFF, find_replicates
from cellam.result import Result

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """What two conditions have and do not have in common.

    Parameters
    ----------
    samples : Samples
    model : Model
        Fitted to the cells of both.
    scale : Scale
        What was measured with.
    effects : pandas.DataFrame
        A row for each effect: family, item, effect (second condition less the first), low and high
        (95 %), p (family-wise, over labellings), p_single (of it alone), q (false discovery rate,
        of genes), control (largest such effect between groups of samples of the reference), unit.
        p, p_single and q are missing where samples are too few.
    transfer : pandas.DataFrame
        How far cells that are followed from one day arrive from those of the next; see `transfer`.
    dynamics_p : float or None
        Of one dynamics for both conditions.
    n_labellings : int
        Labellings that were tried; one in so many is the smallest p-value.
    types : str or None
        Column of `obs` with the cell types.
    rows : (n,) int array
        Where the cells that were compared stand in the data.
    """

    samples: Samples
    model: Model
    scale: Scale
    effects: pd.DataFrame
    transfer: pd.DataFrame
    dynamics_p: float | None
    n_labellings: int
    types: str | None
    rows: Codes

    @property
    def facts(self) -> dict[str, str]:
        """Conditions, samples, and the verdict."""
        first, second = self.samples.conditions
        n, m = self.samples.count()
        return {
            "compared": f"{second} with {first} (obs[{self.samples.key!r}])",
            "samples": f"{m} and {n}" if not self.samples.parts else "too few",
            "verdict": self.verdict,
        }

    @property
    def smallest_p(self) -> float | None:
        """The smallest p-value that the samples allow."""
        return smallest_p(self.n_labellings) if self.samples.enough else None

    @property
    def verdict(self) -> str:
        """What the samples tell of a difference in dynamics, in a sentence or two."""
        if self.dynamics_p is None or not self.samples.enough:
            return NO_P
        return str(Verdict(self.samples, self.effects, self.dynamics_p, self.n_labellings))

    @property
    def unit(self) -> str:
        """What intervals and p-values are over, in a sentence."""
        samples = self.samples
        key = f"obs[{samples.replicate!r}]"
        if samples.parts:
            why = (
                f"{key} has fewer than three samples of a condition"
                if samples.replicate is not None
                else "no column of samples was named or found"
            )
            return f"Intervals are over cells, not over samples: {why}."
        n, m = samples.count()
        first, second = samples.conditions
        unit = f"The unit is {key}: {n} samples of {first} and {m} of {second} on a day."
        if samples.thinned:
            unit += (
                f" Cells left out so that the samples of both have as many: {samples.thinned:,}."
            )
        return unit

    @property
    def changed(self) -> bool:
        """Whether the dynamics of the conditions differ."""
        return self.dynamics_p is not None and self.dynamics_p <= LEVEL

    def to_frame(self) -> pd.DataFrame:
        """A row for each effect."""
        return self.effects

    def to_dict(self) -> dict[str, Any]:
        """Design, verdict, effects and transfer as plain values."""
        design = self.samples.design
        return {
            "condition": self.samples.key,
            "reference": self.samples.conditions[0],
            "against": self.samples.conditions[1],
            "replicate": self.samples.replicate,
            "samples": list(self.samples.count()) if not self.samples.parts else None,
            "thinned": self.samples.thinned,
            "design": design.to_frame().to_dict("records"),
            "labellings": self.n_labellings,
            "smallest_p": self.smallest_p,
            "dynamics_p": self.dynamics_p,
            "verdict": self.verdict,
            "effects": self.effects.to_dict("records"),
            "transfer": self.transfer.to_dict("records"),
        }

    @property
    def shares(self) -> pd.DataFrame:
        """Share of each type in every sample: condition, sample, day, time, type and share."""
        surplus, samples, days = self.scale.surplus, self.samples, self.model.training
        names = np.array([*samples.conditions, "shared"])
        rows = [
            {
                "condition": names[samples.of[s]],
                "sample": samples.names[s],
                "day": days.labels[k],
                "time": days.times[k],
                "type": name,
                "share": surplus.measured[s, k, j],
            }
            for s, k in np.argwhere(samples.on)
            for j, name in enumerate(surplus.quantities[: surplus.n_types])
        ]
        return pd.DataFrame(rows, columns=["condition", "sample", "day", "time", "type", "share"])

    def at_cells(self) -> tuple[Array, Array]:
        """Differences at all cells that were compared, in their order in the data.

        Returns
        -------
        velocity : (n, p) array
            In the coordinates of the fit (of the PCA, or of `use_rep`), per unit of time.
        growth : (n,) array
            Relative to all cells, per unit of time.
        """
        days = self.model.training
        t = np.repeat(days.unit_times, [len(x) for x in days.points])
        at = torch.from_numpy(t).float(), torch.from_numpy(np.concatenate(days.points)).float()
        velocity = self.scale.velocity(self.deviations, *at) * self.model.space.scale
        order = np.argsort(days.data_rows)
        return velocity[order], self.scale.growth(self.deviations, *at)[order]

    @cached_property
    def deviations(self) -> tuple[Deviation, Deviation]:
        """What each condition has beyond the common fit."""
        groups = self.samples.group(0), self.samples.group(1)
        first, second = (self.scale.equations.solve(group) for group in groups)
        return first, second

    @property
    def models(self) -> tuple[Model, Model]:
        """The dynamics of each condition: the common fit and what it has beyond it."""
        first, second = map(self.scale.equations.model_of, self.deviations)
        return first, second


def compare(
    cells: Cells,
    condition: str,
    *,
    replicate: str | None = None,
    reference: str | None = None,
    against: str | None = None,
    shared: Collection[str] = (),
    block: str | None = None,
    permutations: int = MOST,
    groupby: str | None = None,
    options: Options | None = None,
    on_progress: OnProgress = silent,
    **changes: Any,
) -> Comparison:
    """Compare the dynamics of two conditions, with the sample as the unit.

    Parameters
    ----------
    cells : Cells
        From `cellam.read`.
    condition : str
        Column of `obs` with the condition.
    replicate : str, optional
        Column of `obs` with the samples: mice, wells; as the cells were read with, or as found by
        its name and structure, without it. Without any, or with fewer than three of either
        condition, there are effects with intervals over cells, and no p-values.
    reference, against : str, optional
        The conditions; needed where the column has more than two.
    shared : collection of str
        Days whose cells belong to both conditions.
    block : str, optional
        Column of `obs`: samples are exchanged within one value of it only.
    permutations : int
        Labellings of the samples; all of them are tried where there are no more.
    groupby : str, optional
        Column of `obs` with the cell types; found by its name without it.
    options : Options, optional
        Of the fit.
    **changes
        Any field of `Options`.

    Raises
    ------
    ConfigError
        If options contradict each other or the data.
    DataError
        If the samples do not make a comparison.

    Examples
    --------
    >>> found = cellam.compare(cells, "treatment", replicate="mouse")  # doctest: +SKIP
    >>> found.verdict, found.effects.query("family == 'fates'")  # doctest: +SKIP
    """
    if permutations < 1:
        raise ConfigError(f"`permutations={permutations}` leaves no labelling.", "Use 20 or more.")
    options = Options(**{**(options or Options()).model_dump(), **changes})
    if options.ensemble is not None:
        raise ConfigError(
            f"`ensemble={options.ensemble}` has no part in a comparison.",
            "Leave it out: intervals are over samples.",
        )
    if options.velocity is not None:
        raise ConfigError(
            f"`velocity={options.velocity!r}` has no part in a comparison, which asks how far the "
            "days of each condition move.",
            "Leave it out.",
        )
    check_closed_form(options)
    if groupby is not None and groupby not in cells.obs:
        raise DataError(
            f"There is no column {groupby!r} in obs of {cells.source}.",
            list_offers(cells.obs, cells.codes),
        )
    types = resolve_types(cells.obs, cells.codes, groupby)
    if types is not None and types.name == condition:
        raise ConfigError(
            f"obs[{condition!r}] names the cell types, and cells of one type become another.",
            "Name a column that is the same in all cells of a sample, as a treatment is.",
        )
    samples = find_samples(
        cells,
        condition,
        replicate=_replicate(cells, condition, replicate),
        reference=reference,
        against=against,
        shared=shared,
        block=block,
        exclude=options.exclude,
    )
    rng = np.random.default_rng((options.seed, 4))
    there = samples.of_cells >= 0
    cells, samples = cells.only(there), samples.only(there)
    types = types[there] if types is not None else None
    model = fit(cells, options, on_progress=on_progress)
    units = samples if samples.enough else samples.dealt(rng)
    found = scale_of(
        equations(model, units, rng), follow_samples(model, units, types), units, types, rng
    )
    tried = labellings(units, permutations, rng) if units.enough else units.of[None]
    groups = [(units.group(0, of), units.group(1, of)) for of in tried]
    measured = []
    for one in in_order(_measure, found, groups):
        measured.append(one)
        on_progress(Progress("relabel the samples", len(measured), len(tried)))
    effects = effects_table(found, units, measured)
    return Comparison(
        units,
        model,
        found,
        effects,
        transfer(found.equations, units),
        dynamics_p(measured) if units.enough else None,
        len(tried),
        str(types.name) if types is not None else None,
        np.flatnonzero(there),
    )


def _measure(scale: Scale, groups: tuple[Codes, Codes]) -> dict[str, Array]:
    """The effects between two groups of samples."""
    return scale.measure(*groups)


def _replicate(cells: Cells, condition: str, asked: str | None) -> str | None:
    """The column of the samples: as asked for, as the cells were read with, or as found."""
    key = asked if asked is not None else cells.reading.replicate
    if key == condition:
        raise ConfigError(
            f"`condition={condition!r}` and `replicate={key!r}` are the same column.",
            f"Name the column of the samples, or `replicate={OFF!r}` if there is none.",
        )
    if key is None:
        found = find_replicates(cells)
        key = found.key if found is not None else None
    return None if key in (OFF, condition) else key
