"""The conda recipe of the guide says what `pyproject.toml` says."""

from __future__ import annotations

import re
import tomllib

from pages import ROOT

import cellam
from cellam.guide.topics import GUIDE

RECIPE = (GUIDE / "develop" / "conda-recipe.md").read_text("utf-8").split("```")[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}  # names that differ


def listed(name: str) -> list[str]:
    """The entries of a list of the recipe."""
    return re.findall(r"^ +- (.*)$", re.split(rf"^ +{name}:\n", RECIPE, flags=re.M)[1], re.M)


def test_its_requirements_are_those_of_the_package() -> None:
    wanted = {}
    for requirement in PROJECT["project"]["dependencies"]:
        name, versions = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()
        wanted[CONDA.get(name, name).lower()] = versions
    given = dict(line.split(" ", 1) for line in listed("run")[: len(wanted) + 1])
    assert given.pop("python") == ">=${{ python_min }}"
    assert given == wanted
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert PROJECT["build-system"]["requires"] == ["setuptools>=77"]
    assert "setuptools >=77" in listed("host")


def test_it_is_of_this_version_and_starts_this_program() -> None:
    assert f'version: "{cellam.__version__}"' in RECIPE
    ((name, program),) = PROJECT["project"]["scripts"].items()
    assert listed("entry_points")[0] == f"{name} = {program}"
    assert f'summary: "{PROJECT["project"]["description"]}"' in RECIPE
    assert f"license: {PROJECT['project']['license']}" in RECIPE
