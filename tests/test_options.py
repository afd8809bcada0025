"""Options: said once, read in any form, and refused with what would do."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from cellam.errors import ConfigError
from cellam.option_fields import describe
from cellam.options import Method, Options, ReadOptions


def test_defaults_are_those_that_results_were_published_with() -> None:
    given = Options().model_dump(exclude_none=True)
    assert given == {
        "whiten": False, "method": "uam", "growth": "own", "action": "kernel",
        "n_features": 1_000, "max_cells": 25_000, "exclude": (), "seed": 0, "device": "auto",
        "allow_confounded": False,
    }  # fmt: skip
    said = {each.name: each.default for each in describe(Options)}
    assert (said["sigma"], said["steps"], said["n_top_genes"]) == ("0.3", "3000", "2000")
    assert "20 at most" in said["n_pcs"]


@pytest.mark.parametrize("model", [ReadOptions, Options])
def test_every_option_is_explained_in_the_docstring(model: type[ReadOptions]) -> None:
    described = {each.name: each for each in describe(model)}
    assert described.keys() == model.model_fields.keys()
    for name, each in described.items():
        assert each.help.endswith(".")
        assert f"\n    {name} : {each.form}" in (model.__doc__ or "")


def test_choices_are_those_of_the_type_and_the_closest_is_offered() -> None:
    with pytest.raises(ConfigError) as caught:
        Options(method="UMA")
    for choice in get_args(Method):
        assert choice in caught.value.message
    assert "Did you mean 'uam'?" in caught.value.hint
    with pytest.raises(ConfigError, match="Did you mean 'n_pcs'") as caught:
        Options(n_pc=3)
    assert "max_cells" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("n_pcs", 0, "a whole number (1 or more), not 0"),
        ("n_pcs", "many", "a whole number (1 or more), not many"),
        ("n_features", 2.5, "a whole number (16 to 20000), not 2.5"),
        ("tau", 0, "a number (above 0), not 0"),
        ("curvature", 2, "a number (0 to 1), not 2"),
        ("seed", 2**32, "(0 to 4294967295)"),
        ("whiten", "maybe", "True or False, not maybe"),
        ("use_rep", 3, "text, not 3"),
        ("time_map", 3, "LABEL=TIME,..., not 3"),
        ("exclude", 3, "DAY, not 3"),
        ("layer", " ", None),
    ],
)
def test_a_refusal_says_what_would_do(name: str, value: object, says: str | None) -> None:
    if says is None:
        assert getattr(Options(**{name: value}), name) == value
        return
    with pytest.raises(ConfigError) as caught:
        Options(**{name: value})
    assert f"`{name}` takes " in caught.value.message
    assert says in caught.value.message


def test_text_and_objects_say_the_same(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text("time,count\nday0,1\nday2,3\n")
    sizes = {"day0": 1.0, "day2": 3.0}
    for population in (sizes, "day0=1,day2=3", table, str(table)):
        assert Options(population=population).population == sizes
    for times in ({"a": 0, "b": 7}, "a=0,b=7"):
        assert ReadOptions(time_map=times).time_map == {"a": 0.0, "b": 7.0}
    for days in ("day4", ("day4",), ["day4"]):
        assert Options(exclude=days).exclude == ("day4",)


def test_a_conflict_names_both_options_with_their_values() -> None:
    for conflict in Options.conflicts:
        assert conflict.name in Options.model_fields
    with pytest.raises(ConfigError) as caught:
        Options(growth_scale=2, growth="own")
    assert caught.value.message == (
        "`growth_scale=2.0` does not apply to `method='uam'` with `growth='own'`."
    )
    for options in (
        {"action": "mlp", "method": "am", "n_features": 50},
        {"method": "am", "growth": "tied"},
    ):
        with pytest.raises(ConfigError, match="does not apply"):
            Options(**options)
    assert Options(action="mlp", n_features=50).n_features == 50  # of growth
    assert Options(growth_scale=2, growth="tied").growth_scale == 2.0
    assert Options(sigma=0.5, method="ueam").sigma == 0.5
