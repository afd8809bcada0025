"""Counterparts: the same fit with one of its assumptions changed, scored beside it.

A counterpart is a function that changes the options and its line in `COUNTERPARTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from cellam.options import Options


@final
@dataclass(frozen=True)
class Counterpart:
    """The fit with one assumption changed.

    Parameters
    ----------
    name : str
    how : str
        Ends "the same fit …".
    stream : int
        See `contenders.Method`.
    given : str
        What to give for such a fit.
    change : callable
        Options of the counterpart; None where the fit has none. Those that concern growth are
        without its prior.
    """

    name: str
    how: str
    stream: int
    given: str
    change: Callable[[Options], Options | None]

    @property
    def description(self) -> str:
        """In a table of scores."""
        return f"as cellam, but fitted {self.how}"


def _balanced(options: Options) -> Options | None:
    return _switched(options) if options.has_growth else None


def _unbalanced(options: Options) -> Options | None:
    return None if options.has_growth else _switched(options)


def _switched(options: Options) -> Options:
    """With growth where there is none, and the other way round."""
    other = {"am": "uam", "uam": "am", "eam": "ueam", "ueam": "eam"}[options.method]
    free = {"population": None, "tau": None, "growth_scale": None, "growth": "own"}
    path = options.path if options.path in ("independent", "mixture") else None
    return Options(**{**_without_prior(options), **free, "path": path, "method": other})


def _no_prior(options: Options) -> Options | None:
    return None if options.growth_prior is None else Options(**_without_prior(options))


def _no_clones(options: Options) -> Options | None:
    if options.clones is None:
        return None
    return Options(**{**options.model_dump(), "clones": None})


def _no_velocity(options: Options) -> Options | None:
    if options.velocity is None:
        return None
    return Options(**{**options.model_dump(), "velocity": None})


def _without_prior(options: Options) -> dict[str, Any]:
    return options.model_dump() | {"growth_prior": None}


COUNTERPARTS = {
    counterpart.name: counterpart
    for counterpart in (
        Counterpart(
            "balanced",
            "with mass conserved",
            1,
            "`method='am'`; with noise `method='eam'`",
            _balanced,
        ),
        Counterpart(
            "unbalanced",
            "with growth",
            2,
            "`method='uam'`; with noise `method='ueam'`",
            _unbalanced,
        ),
        Counterpart("no-prior", "without the growth prior", 8, "all but `growth_prior`", _no_prior),
        Counterpart("no-clones", "without barcodes", 9, "all but `clones`", _no_clones),
        Counterpart(
            "no-velocity", "without the given velocities", 10, "all but `velocity`", _no_velocity
        ),
    )
}


def counterparts_of(options: Options) -> dict[str, Options]:
    """The same options with mass conserved, or with growth where it is; and without a prior of it,
    without barcodes, or without velocities.

    Examples
    --------
    >>> [(name, other.method) for name, other in counterparts_of(Options(method="eam")).items()]
    [('unbalanced', 'ueam')]
    >>> list(counterparts_of(Options(growth_prior="mouse")))
    ['balanced', 'no-prior']
    """
    found = {name: counterpart.change(options) for name, counterpart in COUNTERPARTS.items()}
    return {name: changed for name, changed in found.items() if changed is not None}
