"""Flags: parameters as they are typed on the command line.

The library names a parameter as Python does, between backticks: `sigma=0.3`. The command line
passes all that it prints through `as_flags`, which makes --sigma 0.3 of it.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Container

# Text of a value may hold backticks; a call, as `cellam.read(path)`, is no parameter.
_QUOTED = r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\""""
_PARAMETER = re.compile(rf"`([a-z][a-z_]+)(?:=((?:{_QUOTED}|[^`'\"\n])+))?`")
RENAMED = {"start": "from", "rows": "from-cells"}  # names that are a word of Python, or data


def as_flags(text: str, known: Container[str] | None = None) -> str:
    """Write the parameters in a text as flags of the command line.

    Parameters
    ----------
    text : str
    known : container of str, optional
        Names of parameters; others are left as they are.

    Examples
    --------
    >>> as_flags("`sigma=0.3` has no meaning for `method='uam'`.")
    '--sigma 0.3 has no meaning for --method uam.'
    >>> as_flags("Give `time_map={'day0': 0, 'late stage': NUMBER}`, or leave out `whiten`.")
    "Give --time-map 'day0=0,late stage=NUMBER', or leave out --whiten."
    >>> as_flags("Add `exclude=['day2', 'day4']` and `backward=True`; see `cellam fit --help`.")
    'Add --exclude day2 --exclude day4 and --backward; see `cellam fit --help`.'
    """

    def write(found: re.Match[str]) -> str:
        named = known is None or found[1] in known or found[1] in RENAMED
        return write_flag(found[1], found[2]) if named else found[0]

    return _PARAMETER.sub(write, text)


def write_flag(name: str, value: str | None = None) -> str:
    """Write a parameter, with its value as Python writes it, as a shell takes it."""
    flag = "--" + RENAMED.get(name, name).replace("_", "-")
    if value is None or value == "True":
        return flag
    try:
        node = ast.parse(value.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return f"{flag} {value}"
    values = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return " ".join(f"{flag} {quote(_text(one, value))}" for one in values)


def _text(node: ast.expr | None, source: str) -> str:
    """A value as text: labels without quotes, numbers and place holders as they stand."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return ",".join(f"{_text(key, source)}={_text(value, source)}" for key, value in pairs)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    text = (ast.get_source_segment(source.strip(), node) if node is not None else None) or source
    return text.removesuffix(".0")


def quote(text: str) -> str:
    """Quote a text as a shell takes it, what would move the cursor spelt out."""
    if text.isprintable():
        return shlex.quote(text)
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{''.join(c if c.isprintable() else _escape(c) for c in text)}'"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
