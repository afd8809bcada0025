"""Column names: the words that tell of a time, and of who was processed together."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Names of time columns, without blanks and marks, in order of preference.
_NAMES = """day days time times timepoint timepoints timeinfo stage age hour hours hpf dpf
week weeks developmentalstage embryonicday collectionday samplingtime samplingday
dayofcollection developmentstage developmentaltime devstage embryonicage embryostage
collectiontime sampletime sampleday dayofsampling timedays timehours hpi dpi pcw
gestationalweek month months"""
# Words in other names of times; and those beside which they are the time of something else.
_WORDS = """day time timepoint timeinfo stage age hour hpf dpf hpi dpi pcw week month minute"""
_OTHER_WORDS = """pseudo latent diffusion velocity palantir cycle seq sequencing processing library
prep preparation dissociation sort sorting facs run thaw freeze frozen storage capture death
survival birth onset donor patient subject maternal tumor tumour disease cancer clinical cluster
leiden score passage"""
# Words in the names of columns that say who or what was processed together, or is alike.
_GROUPS = """batch sample library lane plate well chip run channel pool experiment replicate rep
donor patient individual subject animal mouse embryo line clone cluster leiden louvain phase type
ident"""


def telling(names: Iterable[str]) -> list[str]:
    """Those names that are of a column of times, the best first.

    Examples
    --------
    >>> telling(["batch", "Time_Point", "day"])
    ['day', 'Time_Point']
    """
    plain = {name: re.sub(r"[\s_.-]", "", name.lower()) for name in names}
    return [name for known in _NAMES.split() for name in plain if plain[name] == known]


def names_time(name: str) -> bool:
    """Whether a name has a word of time, and none of the time of something else.

    Examples
    --------
    >>> names_time("embryo_time"), names_time("pseudotime_time"), names_time("pseudo_time")
    (True, True, False)
    """
    return _has(name, _WORDS) and not _has(name, _OTHER_WORDS)


def names_group(name: str) -> bool:
    """Whether a name says who or what was processed together, or is alike."""
    return _has(name, _GROUPS)


def words_of(name: str) -> list[str]:
    """The words in a name, small.

    Examples
    --------
    >>> words_of("embryoTime_2")
    ['embryo', 'time']
    """
    return re.findall("[a-z]+", re.sub("([a-z])([A-Z])", r"\1 \2", name).lower())


def _has(name: str, words: str) -> bool:
    known = set(words.split())
    return any(word in known or word.removesuffix("s") in known for word in words_of(name))
