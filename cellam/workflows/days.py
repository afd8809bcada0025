"""Days: from which days cells are followed to another one."""

from __future__ import annotations

from cellam.analysis.terminal import days_before
from cellam.errors import ConfigError
from cellam.modelling.model import Model
from cellam.workflows.given import Days, day_texts


def start_days(
    model: Model,
    end: str,
    asked: Days | None,
    *,
    backward: bool = False,
    more: str = "",
) -> tuple[str, ...]:
    """Labels of the days whose cells are followed to the day `end`.

    Parameters
    ----------
    model : Model
    end : str
        Label of a day.
    asked : day or several, optional
        Labels or numbers; without it all that lie before the end (if `backward`, after).
    backward : bool
        Whether cells are followed to an earlier day.
    more : str
        What else can be done, for the hint of an error.

    Raises
    ------
    ConfigError
        If one does not lie there, or none does.
    """
    possible = days_before(model, end, backward=backward)
    side = "after" if backward else "before"
    hint = f"Days {side} it: {', '.join(possible) or 'none'}.{f' {more}' * bool(more)}"
    if not possible:
        raise ConfigError(f"There is no day {side} {end}.", hint)
    days = (day_texts(asked) if asked is not None else []) or possible
    labels = tuple(dict.fromkeys(model.timeline.labels[model.timeline.index(d)] for d in days))
    for label in labels:
        if label not in possible:
            raise ConfigError(f"`start={label!r}` is not a day {side} {end}.", hint)
    return labels
