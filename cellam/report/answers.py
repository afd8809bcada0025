"""Answers: what a reader wants to know first, in a few sentences each.

They stand on the first screen of the page, with the range wherever the days leave one open, and
lead to the section that has the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellam.checks.caveat import Caveat
from cellam.checks.outside_caveats import OFF_DATA
from cellam.evaluation.sensitivity import Sensitivity
from cellam.limits import FEW
from cellam.modelling.model import Model
from cellam.names import plural

TYPES = 4  # by name in a sentence
LEAST = 0.01  # of a share or a fate, to be named
DAYS = 3  # scored, with a verdict each
CAVEATS = 3  # in full


@dataclass(frozen=True)
class Answer:
    """One question and what the run says to it.

    Parameters
    ----------
    question : str
    says : tuple of str
        Sentences, the most important one first.
    anchor : str
        Of the section with the rest.
    """

    question: str
    says: tuple[str, ...]
    anchor: str


def answer(
    model: Model,
    found: Mapping[str, Any],
    scored: Sequence[Mapping[str, Any]],
    caveats: Sequence[Caveat] | None,
    sensitivity: Sensitivity | None = None,
) -> list[Answer]:
    """The five answers of the first screen.

    Parameters
    ----------
    model : Model
    found : mapping
        As from `outcome.describe_outcome`.
    scored : sequence of mappings
        As from `quality.score_tables`.
    caveats : sequence of Caveat or None
        None where they were not looked for.
    sensitivity : Sensitivity, optional
        How far answers move with other settings.
    """
    moved = () if sensitivity is None else (sensitivity.brief,)
    return [
        Answer("What moved", tuple(_moved(model, found)), "go"),
        Answer("What grew", tuple(_grew(model, found)), "growth"),
        Answer("What becomes what", tuple(_becomes(found)), "go"),
        Answer("How well it predicts", tuple(_predicted(scored)), "good"),
        Answer("What to doubt", (*_doubts(model, caveats), *moved), "caveats"),
    ]


def _moved(model: Model, found: Mapping[str, Any]) -> Iterable[str]:
    names, rows = found["shares"]["types"], found["shares"]["rows"]
    if names and rows[0]["observed"] and rows[-1]["observed"]:
        before, after = (row["observed"] for row in (rows[0], rows[-1]))
        change = sorted(zip(names, before, after, strict=True), key=lambda t: -abs(t[2] - t[1]))
        shown = [t for t in change if abs(t[2] - t[1]) >= LEAST][:TYPES]
        listed = ", ".join(f"{name} {100 * a:.0f} → {100 * b:.0f} %" for name, a, b in shown)
        more = len([t for t in change if abs(t[2] - t[1]) >= LEAST]) - len(shown)
        if shown:
            yield (
                f"Observed shares of {found['key']}, {found['start']} → {found['end']}: {listed}"
                f"{f' and {more} smaller changes' if more else ''}."
            )
    yield (
        f"The mean of all cells moved by {found['shift']:.1f} standard deviations. A steady "
        f"landscape explains {100 * model.rotation.gradient:.0f} % of the motion of single cells; "
        f"allowing circular flow, {100 * model.rotation.free:.0f} %."
    )


def _grew(model: Model, found: Mapping[str, Any]) -> Iterable[str]:
    rows = found["growth_by_type"]
    if rows:
        yield found["growth_said"]
        known = [row for row in rows if row["cells"] >= FEW] or rows  # no anecdotes first
        some = known if len(known) <= TYPES else [*known[: TYPES // 2], *known[-TYPES // 2 :]]
        relative = "relative to all cells" if model.options.population is None else "absolute"
        rates = [_rates([row[end] for end in ("mean", "low", "high")], some) for row in some]
        listed = ", ".join(
            f"{row['type']} {mean} ({low} to {high})"
            for row, (mean, low, high) in zip(some, rates, strict=True)
        )
        of = "by type" if len(some) == len(rows) else _which(len(known), len(rows))
        yield f"Growth rates {found['per_time']}, {relative}, {of} (range): {listed}."
    elif found["growth"]:
        yield "Growth differs between cells; without cell types it is on the map alone."
    else:
        yield f"This fit has no growth: {model.without_growth[0]}."


def _which(known: int, types: int) -> str:
    """Which of the types have their rates in the sentence."""
    among = f"{known} types" if known == types else f"{known} types of {FEW} cells or more"
    return f"the fastest and slowest of {among}" if known > TYPES else f"of {among}"


def _rates(values: Sequence[float], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rates with the decimals that give the largest of some rows two significant digits."""
    largest = max(abs(row[end]) for row in rows for end in ("mean", "low", "high")) or 1.0
    decimals = max(0, 1 - math.floor(math.log10(largest)))
    return [f"{value:+.{decimals}f}".replace("-", "\u2212") for value in values]


def _becomes(found: Mapping[str, Any]) -> Iterable[str]:
    if not found["fates"]:
        yield (
            "Not known: no column of cell types is at hand. `cellam fates` looks for states among "
            "the cells of the last day."
        )
        return
    rows = [row for row in found["fates"]["rows"] if row["type"] != "all"]
    for row in sorted(rows, key=lambda row: -row["cells"])[: TYPES // 2]:
        fates = sorted(row["fate"], key=lambda name: -row["fate"][name])
        named = [name for name in fates if row["most"][name] >= LEAST][:TYPES]
        listed = ", ".join(
            f"{name} {100 * row['fate'][name]:.0f} % "
            f"({100 * row['least'][name]:.0f} to {100 * row['most'][name]:.0f})"
            for name in named
        )
        few = " (few cells: not reliable)" if row["few"] else ""
        yield f"{row['type']} of {found['start']}{few}, by {found['end']}: {listed}."
    yield found["fates"]["decided"]


def _predicted(scored: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if not scored:
        yield "No held-out day has been scored yet, so it is not known."
    for day in scored[:DAYS]:
        yield f"{day['named']}: {day['verdict']}"
    if len(scored) > DAYS:
        yield f"{len(scored) - DAYS} more days were scored."
    failed = [control for day in scored for control in day["controls"] if control["failed"]]
    if failed:
        yield failed[0]["says"]


def _doubts(model: Model, caveats: Sequence[Caveat] | None) -> Iterable[str]:
    if caveats is None:
        if model.rotation.rotates:
            yield "The flow is circular."
        yield "Most caveats could not be looked for, as the data were not available."
        return
    if not caveats:
        yield "No caveat was found."
    # What cells become, on the same screen, rests on where they go.
    for caveat in sorted(caveats, key=lambda caveat: caveat.name != OFF_DATA)[:CAVEATS]:
        yield caveat.finding
    if len(caveats) > CAVEATS:
        yield f"And {plural(len(caveats) - CAVEATS, 'more caveat')}."
