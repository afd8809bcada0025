"""Names: the one that was probably meant, and what a list of names is a list of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence

from cellam.errors import ConfigError


def closest(text: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant, in upper or lower case; None if none is close.

    Examples
    --------
    >>> closest("velocty", ["growth", "velocity"]), closest("umap", ["growth", "velocity"])
    ('velocity', None)
    >>> closest("day3", ["day0", "day2", "day7"])  # as near to each
    """
    lower = {name.lower(): name for name in names}
    if text.lower() in lower:
        return lower[text.lower()]
    close = difflib.get_close_matches(text.lower(), lower, n=2)
    if not close or (len(close) == 2 and len({_unnumbered(x) for x in (text, *close)}) == 1):
        return None
    return lower[close[0]]


def _unnumbered(name: str) -> str:
    return re.sub("[0-9]+", "#", name.lower())


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """Write a question with the closest name; empty if none is close."""
    near = closest(text, names)
    return f"Did you mean {near!r}? " if near is not None else ""


def offer(text: str, names: Iterable[str], at_most: int = 30, *, prefix: str = "") -> str:
    """The hint for a name that is not there: the closest one, then those that are.

    A `prefix` that all of them are typed with is no likeness: names are compared without it.

    Examples
    --------
    >>> offer("Gata9", ["Gata1", "Klf1", "Spi1"], at_most=2)
    "Did you mean 'Gata1'? Available: Gata1, Klf1 and 1 more."
    >>> offer("fate:mono", ["Mast", "Mono"], prefix="fate:")
    "Did you mean 'fate:Mono'? Available: fate:Mast, fate:Mono."
    >>> offer("fate:foo", ["Mast", "Mono"], prefix="fate:")
    'Available: fate:Mast, fate:Mono.'
    """
    names = list(dict.fromkeys(names))
    near = closest(text.removeprefix(prefix), names)
    meant = f"Did you mean {prefix + near!r}? " if near is not None else ""
    listed = ", ".join(prefix + name for name in names[:at_most]) or "none"
    more = f" and {len(names) - at_most:,} more" if len(names) > at_most else ""
    return f"{meant}Available: {listed}{more}."


def known_names(names: Iterable[str], known: Collection[str], noun: str) -> tuple[str, ...]:
    """Names given in any case, once each and as they are spelt among those `known`.

    Raises
    ------
    ConfigError
        For one that is not known, or none at all.

    Examples
    --------
    >>> known_names(["w2", "ENERGY", "W2"], ["W1", "W2", "energy"], "metric")
    ('W2', 'energy')
    """
    spelt = {name.lower(): name for name in known}
    asked = [name for name in names if name]
    unknown = [name for name in asked if name.lower() not in spelt]
    if unknown or not asked:
        raise ConfigError(
            f"There is no {noun} {unknown[0]!r}." if unknown else f"No {noun} was given.",
            offer("".join(unknown[:1]), known),
        )
    return tuple(dict.fromkeys(spelt[name.lower()] for name in asked))


_COORDINATES = "ae comp component dc dim diffmap f factor latent lsi lv pc pca tsne umap v var z"
_NUMBERED = re.compile(  # PC1, dim_0, X_pca_3, or but a number
    rf"(x[ _.-]?)?({_COORDINATES.replace(' ', '|')})?[ _.-]*[0-9]+", re.IGNORECASE
)


def variables(names: Sequence[str]) -> str:
    """Write a number of columns: genes, or variables where their names are but numbered.

    Examples
    --------
    >>> variables(["Gata1", "PC1"]), variables(["PC1", "PC2", "PC3"]), variables(["0", "1"])
    ('2 genes', '3 variables', '2 variables')
    """
    noun = "variable" if names and all(map(_NUMBERED.fullmatch, names)) else "gene"
    return plural(len(names), noun)


def plural(n: int, noun: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> plural(1, "cell"), plural(2000, "cell")
    ('1 cell', '2,000 cells')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
