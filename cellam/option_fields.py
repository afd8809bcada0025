"""Fields: what there is to know about an option, told in one place.

A model of options gives each of its fields a default, a help text, a group and limits with
`option`. The command line, the docstring and every refusal are made from them.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from cellam.errors import ConfigError
from cellam.names import did_you_mean, offer

_NOUNS = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}


class Group(StrEnum):
    """Headings of the help, in its order."""

    CELLS = "Cells"
    COORDINATES = "Coordinates"
    METHOD = "Method"
    PATH = "Path between days"
    GROWTH = "Growth"
    ACTION = "Action"
    COMPUTATION = "Computation"


def option(
    default: Any,
    told: str,
    group: Group,
    *,
    otherwise: object = "",
    form: str = "",
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """Make a field of a model of options.

    Parameters
    ----------
    default : object
        Its value where none is given; None for one that depends on others or on the data.
    told : str
        A sentence on what it is.
    group : Group
        Heading that it stands under in the help.
    otherwise : object
        What happens where the default is None: a number, or a few words.
    form : str
        How its value is written, for one that is no plain number, text or choice.
    above, least, most : float, optional
        Limits of its value; the first is not included.
    """
    return Field(
        default,
        description=told,
        gt=above,
        ge=least,
        le=most,
        json_schema_extra={"group": group, "otherwise": str(otherwise), "form": form},
    )


@dataclass(frozen=True)
class Described:
    """An option as the help, the docstring and a refusal need it.

    Parameters
    ----------
    name : str
    kind : type
        int, float, bool, str, or tuple for one that may be given again.
    choices : tuple of str
        All that it may be; empty where it is free.
    form : str
        How its value is written: "int", "am|eam", "LABEL=TIME,…".
    group : Group
    help, default, limits : str
        In words; empty where there is none.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    form: str
    help: str
    group: Group
    default: str
    limits: str

    @property
    def takes(self) -> str:
        """What may be given, in words."""
        if self.choices:
            return " or ".join(filter(None, (", ".join(self.choices[:-1]), self.choices[-1])))
        if self.kind in (int, float):
            return _NOUNS[self.kind] + f" ({self.limits})" * bool(self.limits)
        return _NOUNS.get(self.kind, self.form) if self.form == self.kind.__name__ else self.form


def describe(model: type[BaseModel]) -> list[Described]:
    """Describe every option of a model, group by group."""
    order = list(Group)
    described = [_described(name, field) for name, field in model.model_fields.items()]
    return sorted(described, key=lambda each: order.index(each.group))


def _described(name: str, field: FieldInfo) -> Described:
    extra = cast("dict[str, Any]", field.json_schema_extra)
    kind, choices = _kind(field.annotation)
    unset = field.default is None or field.default is False or field.default == ()
    return Described(
        name=name,
        kind=kind,
        choices=choices,
        form=extra["form"] or "|".join(choices) or kind.__name__,
        help=str(field.description),
        group=extra["group"],
        default=str(extra["otherwise"] if unset else field.default),
        limits=_limits(field),
    )


def _kind(annotation: Any) -> tuple[type, tuple[str, ...]]:
    """The type of an option, and its choices."""
    inner = [a for a in typing.get_args(annotation) if a is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return str, tuple(map(str, inner))
    if isinstance(origin, type) and issubclass(origin, dict | tuple):
        return (str if issubclass(origin, dict) else tuple), ()
    if len(inner) == 1:
        return _kind(inner[0])
    return (annotation if isinstance(annotation, type) else str), ()


def _limits(field: FieldInfo) -> str:
    found = {type(m).__name__: getattr(m, type(m).__name__.lower(), None) for m in field.metadata}
    low, high = found.get("Ge"), found.get("Le")
    if low is not None and high is not None:
        return f"{low:g} to {high:.15g}"
    if low is not None:
        return f"{low:g} or more"
    return f"above {found['Gt']:g}" if "Gt" in found else ""


def refusal(model: type[BaseModel], error: ErrorDetails) -> ConfigError:
    """Say what is wrong with a value, from the first of the errors that pydantic lists."""
    value = error["input"]
    if not error["loc"]:
        return ConfigError(f"Options must be names with values, not {value!r}.")
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return ConfigError(f"There is no option {name!r}.", offer(name, model.model_fields))
    asked = next(each for each in describe(model) if each.name == name)
    plain = isinstance(value, str) and value.strip() == value != "" and value.isprintable()
    explained = asked.help if asked.form != asked.kind.__name__ else ""
    return ConfigError(
        f"`{name}` takes {asked.takes}, not {value if plain else repr(value)}.",
        f"{did_you_mean(str(value), asked.choices)}{explained}".strip(),
    )


def document(model: type[BaseModel]) -> None:
    """Append the options of a model to its docstring."""
    lines = [(model.__doc__ or "").rstrip(), "", "    Parameters", "    ----------"]
    for each in describe(model):
        default = f" (default: {each.default})" * bool(each.default)
        lines += [f"    {each.name} : {each.form}{default}", f"        {each.help}"]
    model.__doc__ = "\n".join([*lines, ""])
