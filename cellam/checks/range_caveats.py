"""Caveats of ranges: what of growth and fates the days leave open, for what is read from the fit.

Genes that go with growth or a fate, and what a change of expression does to them, are of the fit:
one explanation of the days. Where others explain them as well, they are of it alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellam.analysis.growth_range import INSTEAD, growth_range, has_range
from cellam.checks.caveat import Caveat
from cellam.modelling.model import Model

Array = NDArray[np.float64]

OPEN = 0.5  # of the cells; and of the standard deviation of a fate over cells, as a mean width


def open_growth(
    low: Array, high: Array, *, of: str = "these cells", what: str = "growth"
) -> Iterator[Caveat]:
    """A caveat where most of these cells need not grow otherwise than all others.

    Parameters
    ----------
    low, high : (n,) arrays
        Ends of the range of their growth (`analysis.growth_range`).
    of, what : str
        Who they are, and what is read from their growth, in words.
    """
    share = float(((low <= 0) & (high >= 0)).mean())
    if share > OPEN:
        who = f"any of {of}" if share == 1 else f"{100 * share:.0f} % of {of}"
        yield Caveat(
            "growth range",
            f"These days do not tell whether {who} grow or shrink: the range of their growth holds "
            f"0, as {INSTEAD}. What is said here of {what} is of this fit, one explanation of "
            "several.",
            "Do not read it as division or death without numbers of living cells (`population`) or "
            "lineage barcodes.",
        )


def unseen_change(model: Model) -> Iterator[Caveat]:
    """What a change of expression cannot be said to do, by a fit that has seen none.

    Parameters
    ----------
    model : Model
    """
    yield Caveat(
        "unseen",
        "The fit has seen no perturbation: this is what it says of cells that look like the "
        "changed ones, each on its own trajectory. How cells answer an intervention, and whether "
        "a fate hangs on the expression or on chance, the days do not tell.",
        "Take the effect for a hypothesis to be tested.",
    )
    if has_range(model):
        yield from open_growth(*growth_range(model).ends, of="the cells", what="the log mass")


def open_fate(name: str, probability: Array, least: Array, most: Array) -> Iterator[Caveat]:
    """A caveat where a fate's range is so wide that cells may differ in it otherwise, or not.

    Parameters
    ----------
    name : str
        Of the fate.
    probability, least, most : (n,) arrays
        Of that fate for some cells, and the ends of its range; NaN where there is none.
    """
    width = float(np.nanmean(most - least)) if np.isfinite(most).any() else 0.0
    if width > OPEN * float(probability.std()):
        yield Caveat(
            "fate range",
            f"The days leave open which of these cells become {name}: the range of its "
            f"probability is {100 * width:.0f} points wide on average (`cellam fates`), and it "
            "may be chance that decides later. What is read from it here is of this fit, one "
            "explanation of several.",
            "Lineage barcodes tell how far single fates are to be believed: `cellam fates` with "
            "`clones`.",
        )
