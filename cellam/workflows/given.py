"""Given: days, names and cells in the forms in which Python users have them at hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from cellam.days.time_labels import spell

Day: TypeAlias = str | float
Days: TypeAlias = Day | Iterable[Day]
Names: TypeAlias = str | Iterable[str]


def day_text(day: Day) -> str:
    """A day as text: its label, or its number.

    Examples
    --------
    >>> day_text("day2"), day_text(2), day_text(2.5)
    ('day2', '2', '2.5')
    """
    return day if isinstance(day, str) else spell(day)


def day_texts(days: Days) -> list[str]:
    """One day or several, as texts.

    Examples
    --------
    >>> day_texts("day2"), day_texts(0), day_texts(["day2", 4])
    (['day2'], ['0'], ['day2', '4'])
    """
    several = [days] if isinstance(days, str) or not isinstance(days, Iterable) else days
    return [day_text(day) for day in several]


def name_list(names: Names) -> list[str]:
    """Names, also from a text with commas between them.

    Examples
    --------
    >>> name_list("W1, energy"), name_list(["W1", "energy"])
    (['W1', 'energy'], ['W1', 'energy'])
    """
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]
