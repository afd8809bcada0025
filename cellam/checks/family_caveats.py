"""Caveats of families: what divisions and deaths rest on that the days do not tell."""

from __future__ import annotations

from collections.abc import Iterator

from cellam.analysis.growth_range import has_range
from cellam.checks.caveat import Caveat
from cellam.modelling.model import Model


def family_caveats(model: Model) -> Iterator[Caveat]:
    """Reasons to doubt the families of cells that a model lets divide and die."""
    yield Caveat(
        "turnover",
        "The days tell the growth rate, not its parts: cells divide at the rate max(growth, 0) and "
        "die at max(-growth, 0), the least turnover that explains it.",
        "Where more is known, give `turnover`, which adds to both.",
    )
    if model.options.population is None:
        yield Caveat(
            "relative growth",
            "Growth is relative to the average cell, as no population sizes were given: divisions "
            "and deaths that all cells share are left out.",
            "Fit with `population` where sizes are known.",
        )
    if has_range(model):
        yield Caveat(
            "growth range",
            "The days leave growth open within a range. Cells divide and die at the growth rate of "
            "the fit itself, as the weights have it.",
            "See the range by `cellam info`.",
        )
    if not model.fit.objective.sigma > 0:
        yield Caveat(
            "no noise",
            "The fit has no noise: all descendants of a cell stay together until the end.",
            "With `method='ueam'` each would move by chance.",
        )
    if model.ensemble:
        yield Caveat(
            "ensemble",
            "Cells follow the fit alone, not its ensemble.",
            "For intervals, simulate without `discrete`.",
        )
