"""Caveats of simulated cells that have left the observed data."""

from __future__ import annotations

from collections.abc import Iterator

from cellam.checks.caveat import Caveat
from cellam.days.time_labels import named
from cellam.modelling.outside import Outside, percent

OFF_DATA = "off data"  # name of the caveat


def outside_caveat(found: Outside, who: str, when: str) -> Iterator[Caveat]:
    """A caveat where averages over simulated cells can be made by those that no data support.

    Parameters
    ----------
    found : Outside
        At one time.
    who, when : str
        Which cells were followed, and to when, in words.
    """
    if found.too_many:
        yield Caveat(
            OFF_DATA,
            f"{percent(found.share)} of {who} ({percent(found.weight)} by weight) are outside the "
            f"observed data when followed to {when}; of the observed cells of {named(found.day)} "
            f"{percent(found.observed)} are. No data support what these cells do and become.",
            "Follow cells over shorter times, and leave out those flagged off_manifold.",
        )
