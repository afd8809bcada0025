"""The page of a comparison: verdict and design first, then each family of effects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cellam._version import __version__
from cellam.analysis.basis import find_basis
from cellam.comparison.compare import Comparison
from cellam.comparison.effects import Family
from cellam.comparison.table import reading, shown
from cellam.comparison.verdict import LEVEL, OPEN
from cellam.plots import comparison as plots
from cellam.report.images import Picture, picture
from cellam.report.templates import template
from cellam.storage import write_atomically, writing

TEMPLATE = "comparison.html.j2"
DRAWN = ("growth", "fates", "arrival")  # as forest plots
ROWS = 12  # of a table; a CSV has all
NAMED = 3  # effects of a family in the first screen


def write_comparison(found: Comparison, path: Path, *, data: str) -> None:
    """Write the page of a comparison.

    Parameters
    ----------
    found : Comparison
    path : pathlib.Path
        File to write, replaced if it is there.
    data : str
        What the cells were read from.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    page = render_comparison(found, data=data)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page.encode())


def render_comparison(found: Comparison, *, data: str) -> str:
    """The page as a string."""
    first, second = found.samples.conditions
    design = found.samples.design
    return template(TEMPLATE).render(
        title=f"{second} against {first}",
        version=__version__,
        key=found.samples.key,
        data=data,
        cells=f"{found.model.training.n_cells:,}",
        days=len(found.model.training),
        verdict=found.verdict,
        answers=_answers(found),
        unit=found.unit,
        design=design.rows(),
        design_days=len(design.rows()[0]) - len(design.keys),
        families=[
            _family(found, found.scale.family(name))
            for name in found.scale.FAMILIES
            if name in set(found.effects["family"])
        ],
        reading=reading(found.effects, found.n_labellings, first),
        growth_map=_growth_map(found),
        transfer=_transfer(found.transfer),
        transfer_what=(
            "Cells of each condition, simulated from day to day with the dynamics of the same "
            "condition (own), of the other one, and of both together: energy distance to the cells "
            "of the next day. Replicates: two samples of that day. Of clouds that are alike it "
            "scatters about 0. Where "
            "the other condition does as well, only the cells at the start differ."
        ),
        methods=_methods(found),
    )


def _answers(found: Comparison) -> list[tuple[str, list[str]]]:
    """What differs, what cannot be told apart and what to doubt, for the first screen."""
    effects, there = found.effects, set(found.effects["family"])
    families = [name for name in found.scale.FAMILIES if name in there]
    if found.smallest_p is None:
        few = "There are too few samples for p-values: the differences below may be those of any "
        return [("What to doubt", [f"{few}two samples. {found.unit}"])]
    sure = effects[effects["p"] <= LEVEL]
    differ = [name for name in families if (sure["family"] == name).any()]
    alike = [name for name in families if name not in differ]
    says = [
        f"{name.capitalize()} ({found.scale.family(name).shown_unit}): {_listed(sure, name)}."
        for name in differ
    ]
    doubts = [
        f"{found.unit} Of {found.n_labellings} labellings no p can be smaller than "
        f"{found.smallest_p:.2g}, so a small difference may go unseen.",
        OPEN,
    ]
    one = found.dynamics_p is None or found.dynamics_p > LEVEL  # as the verdict says
    return [
        (
            "Small p all the same" if one and says else "What differs",
            says or [f"Nothing at p ≤ {LEVEL:g}, each table taken as a whole."],
        ),
        *([("What cannot be told apart", [f"{', '.join(alike)}.".capitalize()])] if alike else []),
        ("What to doubt", doubts),
    ]


def _listed(sure: pd.DataFrame, name: str) -> str:
    """The largest effects of a family, with their intervals."""
    _, rows, left = shown(sure, name, NAMED)
    listed = "; ".join(f"{item} {effect} ({ends})" for item, effect, ends, *_ in rows)
    return f"{listed}; and {left} smaller" if left else listed


def _family(found: Comparison, family: Family) -> dict[str, Any]:
    columns, rows, left = shown(found.effects, family.name, ROWS)
    return {
        "title": family.name.capitalize(),
        "what": f"{family.what[0].upper()}{family.what[1:]}"
        + (f", {family.shown_unit}" if family.shown_unit else "")
        + f": {found.samples.conditions[1]} less {found.samples.conditions[0]}."
        + (f" The {ROWS} largest." if left else ""),
        "columns": ["", *columns[1:]],
        "rows": rows,
        "picture": _forest(found, family) if family.name in DRAWN else _shares(found, family),
    }


def _forest(found: Comparison, family: Family) -> Picture:
    return picture(
        lambda: plots.effects(found.effects, family.name),
        f"{family.name}: differences with their intervals",
        f"{family.what[0].upper()}{family.what[1:]}, with 95 % intervals over "
        f"{'cells' if found.samples.parts else 'samples'}. Grey: as far as samples of the "
        "reference differ from one another.",
    )


def _shares(found: Comparison, family: Family) -> Picture | None:
    if family.name != "composition":
        return None
    return picture(
        lambda: plots.samples(found.shares),
        "share of each cell type in every sample, by day and condition",
        "Each mark is a sample.",
    )


def _growth_map(found: Comparison) -> Picture | None:
    space = found.model.space
    if found.model.conserves_mass or space.n_dims < 2:
        return None
    _, growth = found.at_cells()
    days = found.model.training
    points = days.to_data_order(np.concatenate(days.points))[:, :2] * space.scale[:2]
    names = find_basis(found.model, None, None).axes
    per_time = found.model.timeline.per_time
    return picture(
        lambda: plots.difference_map(
            points, growth, label=f"difference of growth {per_time}", axes_names=names
        ),
        "difference of growth at every cell",
        "Difference of growth rates, relative to the population, at every cell."
        + _unsure_growth(found.effects),
    )


def _unsure_growth(effects: pd.DataFrame) -> str:
    """That a map of growth shows no difference that is known of; empty where one is."""
    p = effects.loc[effects["family"] == "growth", "p"]
    least = float(p.min()) if p.notna().any() else np.nan
    if least <= LEVEL:
        return ""
    known = "no p-value says" if np.isnan(least) else f"at p {least:.2g} nothing says"
    return f" An estimate, not a finding: {known} that growth differs at all."


def _transfer(frame: pd.DataFrame) -> list[list[str]]:
    rows = [
        [str(row["condition"]), str(row["day"])]
        + [f"{row[c]:.3g}" if np.isfinite(row[c]) else "–" for c in frame.columns[2:]]
        for _, row in frame.iterrows()
    ]
    return [list(map(str, frame.columns)), *rows]


def _methods(found: Comparison) -> list[str]:
    first, second = found.samples.conditions
    said = [
        f"One action was fitted to the cells of {first} and {second} together. What the pairs of "
        "cells of each condition have beyond it, in velocity and in growth, was fitted to the "
        "remainder with one ridge, which draws it to zero where a condition has few cells.",
        "Growth is that of a type less that of all cells of its days, as days tell nothing of "
        "totals. Changes of motion, of fates and of growth can leave the same days.",
    ]
    if found.smallest_p is not None:
        said.append(
            f"p-values: share of {found.n_labellings} labellings of the samples with a statistic "
            "at least as large, family-wise over the rows of a table (max-T). The verdict is by "
            f"the larger of the differences of motion and of arrival, at {LEVEL:g}. Growth is no "
            "part of it, as how much of a change is taken for growth depends on the cells that "
            "there are."
        )
    return said
