"""Contest: who predicts a held-out day, and in which clouds of cells.

Of a large day beside the held-out one as many cells are drawn first as all draws together can hold:
they are followed by every fit, and more would be followed in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellam.display import enumerated
from cellam.errors import ConfigError
from cellam.evaluation.baselines import BASELINES, baselines
from cellam.evaluation.contenders import (
    FIT,
    FLOOR,
    FORWARD,
    Contender,
    Method,
    Sides,
    followed,
    pushed,
)
from cellam.evaluation.counterparts import COUNTERPARTS
from cellam.limits import DRAWS, MOST_FOLLOWED
from cellam.modelling.model import Model

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

THINNING = 1_000  # the stream that draws them; it is that of no method
METHODS: dict[str, Method] = {
    FIT.name: FIT,
    FORWARD.name: FORWARD,
    **COUNTERPARTS,
    **BASELINES,
    FLOOR.name: FLOOR,
}


def descriptions(table: pd.DataFrame) -> dict[str, str]:
    """What each method of a held-out day is; of a day outside the others, the fit has one side.

    Parameters
    ----------
    table : pandas.DataFrame
        Scores of the day: a row for each method and metric.
    """
    scored = list(dict.fromkeys(table["method"]))
    found = {name: METHODS[name].description for name in scored}
    if table["extrapolation"].iloc[0] and FIT.name in found:
        found[FIT.name] = "the nearest day, simulated to the held-out day by the fit"
        if "previous" in scored:
            found[FIT.name] = "the day before, simulated forward by the fit"
        elif "next" in scored:
            found[FIT.name] = "the day after, simulated backward by the fit"
    return found


def variants(table: pd.DataFrame) -> str:
    """Which rows are of cellam too, with one thing changed, in a sentence; empty without one.

    Parameters
    ----------
    table : pandas.DataFrame
        Scores of a day: a row for each method and metric.
    """
    there = [n for n in (FORWARD.name, *COUNTERPARTS) if n in set(table["method"])]
    if not there:
        return ""
    return (
        f"Variants of cellam, with one thing changed: {enumerated(there)}. The skill and the "
        f"verdict are those of the row {FIT.name}."
    )


@dataclass(frozen=True)
class Contest:
    """A held-out day, and all that predict it.

    Parameters
    ----------
    model : Model
        Fitted without the day; of large training days it has some of the cells only.
    k : int
        Position of the day among all days.
    sides : Sides
        The training days beside it.
    clouds : dict of str to Contender
        By method, the fit first.
    seconds : dict of str to float
        That the fits took.
    orders : tuple of (m,) int arrays
        Random orders of the measured cells, one for each draw.
    """

    model: Model
    k: int
    sides: Sides
    clouds: Mapping[str, Contender]
    seconds: Mapping[str, float]
    orders: tuple[Rows, ...]

    @property
    def label(self) -> str:
        """The day."""
        return self.model.snapshots.labels[self.k]

    @property
    def truth(self) -> Array:
        """Its measured cells (m, d), in model coordinates."""
        return self.model.snapshots.points[self.k]

    def stream(self, name: str) -> np.random.Generator:
        """The random numbers of a method, which depend on no other method."""
        return np.random.default_rng([self.model.options.seed, self.k, METHODS[name].stream])


def contenders(
    model: Model,
    label: str,
    counterparts: Mapping[str, Model] | None = None,
    *,
    draws: int = DRAWS,
    most: int = MOST_FOLLOWED,
) -> Contest:
    """All that predict a held-out day: the fit, also forward alone, its counterparts, baselines.

    Parameters
    ----------
    model : Model
        With `label` among its excluded days.
    label : str
    counterparts : mapping of str to Model, optional
        Fitted on the same days otherwise, each with its name in `COUNTERPARTS`.
    draws : int
        How often clouds are drawn to be scored.
    most : int
        Cells of each training day, drawn at random, from which all predict.

    Raises
    ------
    ConfigError
        If the model was fitted on the day.
    """
    if label not in model.options.exclude:
        raise ConfigError(f"{label} is a training day of this model, so it cannot be scored.")
    k = model.snapshots.index(label)
    time = model.snapshots.times[k]
    thinning = np.random.default_rng([model.options.seed, k, THINNING])
    few = model.snapshots.thinned(most, thinning, whole=(label,))
    model = replace(model, snapshots=few)
    others = counterparts or {}
    fits = {FIT.name: model} | {name: replace(m, snapshots=few) for name, m in others.items()}
    # Transport draws from it first, then the orders of the day: both are as they always were.
    rng = np.random.default_rng([model.options.seed, k])
    clouds = {name: followed(fitted, time) for name, fitted in fits.items()}
    forward = pushed(model, time)
    if forward is not None:
        clouds[FORWARD.name], fits[FORWARD.name] = forward, model
    clouds |= baselines(model.training, time, rng)
    seconds = {name: fitted.seconds for name, fitted in fits.items()}
    m = len(model.snapshots.points[k])
    orders = tuple(rng.permutation(m) for _ in range(draws))
    return Contest(model, k, Sides.of(model.training, time), clouds, seconds, orders)
