"""Parameters in messages: as Python writes them, and as a shell takes them."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cellam
from cellam.errors import CellamError
from cellam.flags import as_flags
from cellam.pairs import parse_pairs

MISTAKES = [  # of all kinds: choice, range, type, conflict, name, text forms, data, days
    {"method": "AM"}, {"n_pcs": 0}, {"n_pcs": "many"}, {"sigma": 0.3}, {"sigma": float("nan")},
    {"growth_scale": 2.0}, {"tau": 1.0, "path": "ot"}, {"tau": 1.0, "method": "am"},
    {"curvature": 0.5, "path": "mixture"}, {"steps": 5}, {"ensemble": 8, "action": "mlp"},
    {"population": "cells", "method": "am"}, {"population": {"day0": -1}}, {"population": 3},
    {"population": "nope.csv"}, {"time_map": "day0"}, {"use_rep": "X_latent", "layer": "counts"},
    {"use_rep": "X_latent", "n_top_genes": 5}, {"sedd": 1}, {"exclude": "day9"}, {"n_pcs": 99},
    {"exclude": ("day0", "day2", "day4")}, {"growth_prior": "rat"}, {"device": "tpu"},
    {"growth_prior": "mouse", "path": "ot"}, {"seed": -1}, {"whiten": "maybe"},
    {"population": {"day0": 1.0}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", MISTAKES, ids=str)
def test_python_users_read_no_flags_about_a_fit(
    cells: cellam.Cells, wrong: dict[str, object]
) -> None:
    with pytest.raises(CellamError) as caught:
        cellam.fit(cells, **wrong)
    assert "--" not in str(caught.value)
    assert "cellam fit" not in str(caught.value)


def test_no_text_of_the_library_holds_a_flag() -> None:
    """But for the commands that a report tells to type."""
    found = []
    for file in sorted((Path(cellam.__file__).parent).rglob("*.py")):
        tree = ast.parse(file.read_text())
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found += [
            f"{file.name}:{node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if id(node) not in told and re.search(r"(?<!-)--[a-z]", node.value)
        ]
        found += [  # f"--{name}"
            f"{file.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            if any(isinstance(v, ast.Constant) and v.value.endswith("--") for v in node.values)
        ]
    assert [line for line in found if not line.startswith(("page.py", "flags.py"))] == []


@pytest.mark.parametrize(
    "wrong",
    [{"time_key": "dya"}, {"use_rep": "X_pca"}, {"layer": "spliced"}, {"values": "guess"},
     {"time_map": {"day0": 0.0}}, {"time_map": "a=x"}, {"timekey": "day"}],
    ids=str,
)  # fmt: skip
def test_python_users_read_no_flags_about_data(
    small_path: object, wrong: dict[str, object]
) -> None:
    with pytest.raises(CellamError) as caught:
        cellam.read(small_path, **wrong)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [{"start": "day9"}, {"start": "day7"},
     {"start": "day2", "to": "30"}, {"start": "day2", "save_every": 0.0}],
    ids=str,
)  # fmt: skip
def test_python_users_read_no_flags_about_a_simulation(
    model: cellam.Model, wrong: dict[str, object]
) -> None:
    with pytest.raises(CellamError) as caught:
        model.simulate(**wrong)
    assert "--" not in str(caught.value)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters=",=\x00", codec="utf-8"), min_size=1).filter(
            lambda label: label == label.strip()
        ),
        st.floats(-1e6, 1e6),
        min_size=1,
    )
)
@settings(max_examples=100, deadline=None)
def test_whatever_the_labels_a_time_map_is_typed_as_it_is_meant(times: dict[str, float]) -> None:
    typed = as_flags(f"Give `time_map={times!r}`.").removeprefix("Give ").removesuffix(".")
    if not typed.startswith("--time-map $"):  # only bash reads those
        flag, text = shlex.split(typed)
        assert (flag, parse_pairs(text, "time_map")) == ("--time-map", times)


@pytest.mark.parametrize(
    "text",
    ["`cellam fit --help`", "`cellam.read(path, time_key='day')`", "a `b", "`x=1`", "`n pcs`", ""],
)
def test_what_is_no_parameter_is_left_as_it_is(text: str) -> None:
    assert as_flags(text) == text


def test_names_that_no_command_has_are_left_as_they_are() -> None:
    said = "`ctrl_as_ref=False` and `seed=3`"
    assert as_flags(said, {"seed"}) == "`ctrl_as_ref=False` and --seed 3"
