"""Controls: the same evaluation of what holds no answer, or only a part of it.

Where the days are permuted over the cells, skill has to vanish. Where growth is fitted as it was
and cells are paired at random, skill is what comes of all but who becomes whom.

A control is a function that spoils the cells or the options, and its line in `CONTROLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from cellam.dynamics.fitting import OnProgress, silent
from cellam.evaluation.contenders import FIT
from cellam.evaluation.evaluate import evaluate, resolve_holdout
from cellam.evaluation.skill import Skill, skills
from cellam.limits import REFITS
from cellam.options import Options
from cellam.reading.cells import Cells
from cellam.reading.samples import OFF

METRIC = "energy"  # unbiased: days of few cells are as far apart as those of many

Spoilt = tuple[Cells, Options]


@final
@dataclass(frozen=True)
class Control:
    """An evaluation that ought to find less.

    Parameters
    ----------
    name : str
    what : str
        What was done, in a sentence.
    spoil : callable
        Of cells and options, those of the control.
    vanishes : bool
        Whether nothing at all can be predicted.
    """

    name: str
    what: str
    spoil: Callable[[Cells, Options], Spoilt]
    vanishes: bool


def _permuted(cells: Cells, options: Options) -> Spoilt:
    """Days permuted over the cells of all days that are used; every day keeps its number."""
    labels = cells.timeline.labels
    excluded = {labels.index(label) for label in options.exclude}
    used = np.flatnonzero(~np.isin(cells.codes, list(excluded)))
    codes = cells.codes.copy()
    # A stream of its own, which no choice of the fit shares.
    codes[used] = np.random.default_rng((options.seed, 3)).permutation(codes[used])
    return replace(cells, codes=codes), options


def _random_partners(cells: Cells, options: Options) -> Spoilt:
    """Growth as it was, but cells of neighbouring days paired at random."""
    free = {"tau": None, "path": "independent"}
    return cells, Options(**(options.model_dump() | free))


CONTROLS = {
    control.name: control
    for control in (
        Control("permuted", "the days are permuted over the cells", _permuted, True),
        Control(
            "random", "cells of neighbouring days are paired at random", _random_partners, False
        ),
    )
}


@dataclass(frozen=True)
class Controlled:
    """The skill of a control on one held-out day.

    Parameters
    ----------
    control, label : str
    skill : Skill
    refits : int
        On which its interval rests, as for `evaluate`.
    """

    control: str
    label: str
    skill: Skill
    refits: int

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Controlled:
        """The control whose fields were kept.

        Raises
        ------
        TypeError
            If something is missing.
        """
        return Controlled(**{**stored, "skill": Skill(**stored["skill"])})

    def failed(self, ours: Skill) -> bool:
        """Whether it does what it ought not to, where the fit has the skill `ours`."""
        if CONTROLS[self.control].vanishes:
            return self.skill.low > 0
        return self.skill.value >= ours.value

    @property
    def says(self) -> str:
        """What it means, in a sentence."""
        found = (
            f"When {CONTROLS[self.control].what}, the skill is {self.skill.value:.2f} "
            f"({self.skill.low:.2f} to {self.skill.high:.2f}) in {self.skill.metric}"
        )
        if not CONTROLS[self.control].vanishes:
            return f"{found}: what cellam has more than that comes of who becomes whom."
        if self.skill.low > 0:
            return f"{found}: above 0, where nothing can be predicted."
        return f"{found}: not above 0, as it ought to be."


def run_controls(
    cells: Cells,
    holdout: str | Iterable[str],
    options: Options | None = None,
    *,
    names: Iterable[str] = tuple(CONTROLS),
    refits: int = REFITS,
    on_progress: OnProgress = silent,
) -> tuple[Controlled, ...]:
    """Evaluate spoilt data and spoilt fits.

    Parameters
    ----------
    cells, holdout, options, refits, on_progress
        As for `evaluate`.
    names : iterable of str
        Of `CONTROLS`.

    Raises
    ------
    ConfigError
        As for `evaluate`.
    """
    options = options or Options()
    # Spoilt cells are not those of their replicates any more.
    cells = replace(cells, reading=cells.reading.model_copy(update={"replicate": OFF}))
    labels = resolve_holdout(cells, holdout, options)
    found = []
    for name in names:
        spoilt, changed = CONTROLS[name].spoil(cells, options)
        scores = evaluate(
            spoilt,
            labels,
            changed,
            metrics=[METRIC],
            counterpart=False,
            refits=refits,
            on_progress=on_progress,
        ).scores
        found += [
            Controlled(name, skill.label, skill, refits)
            for skill in skills(scores, seed=options.seed)
            if skill.method == FIT.name
        ]
    return tuple(found)
