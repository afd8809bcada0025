"""Workflows of GitHub run what there is: targets of the Makefile, on Pythons that we allow."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMED = {found[1] for text in PROJECT["classifiers"] if (found := re.search(r":: (3\.\d+)$", text))}
LOWEST = int(PROJECT["requires-python"].removeprefix(">=3."))
ACTIONS = {"actions/checkout", "actions/setup-python", "actions/upload-artifact"}
WEEKLY = {"test-slow", "test-newest", "test-oldest", "docs-check"}


def jobs(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text())["jobs"])


def targets(path: Path) -> set[str]:
    """What its jobs run; each command is one target."""
    commands = [s["run"] for job in jobs(path).values() for s in job["steps"] if "run" in s]
    found = [re.fullmatch(r"make ([a-z-]+)( [A-Z]+=\S+)*", command) for command in commands]
    assert all(found), commands
    return {match[1] for match in found if match}


def pythons(job: dict[str, Any]) -> set[str]:
    """The Pythons of a job, those of its matrix in place of the name of one."""
    matrix = job.get("strategy", {}).get("matrix", {})
    of_matrix = {*matrix.get("python", ()), *(one["python"] for one in matrix.get("include", ()))}
    asked = {
        s["with"]["python-version"] for s in job["steps"] if "setup-python" in s.get("uses", "")
    }
    return of_matrix if asked == {"${{ matrix.python }}"} else asked


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_runs_a_target_on_a_python_that_is_named(path: Path) -> None:
    assert targets(path) <= TARGETS
    for name, job in jobs(path).items():
        asked = pythons(job)
        assert asked and all(int(one.removeprefix("3.")) >= LOWEST for one in asked), name
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert {one.split("@")[0] for one in used} <= ACTIONS
        assert all(re.fullmatch(r"[\w/-]+@v\d+", one) for one in used)
        assert used[0].startswith("actions/checkout@")


def test_each_push_and_each_pull_request_is_checked() -> None:
    (path,) = (path for path in WORKFLOWS if path.name == "ci.yml")
    on = yaml.safe_load(path.read_text())[True]  # what YAML makes of the key `on`
    assert set(on) == {"push", "pull_request"}
    assert targets(path) == {"check", "test", "test-interop", "package"}
    assert pythons(jobs(path)["test"]) >= NAMED  # what we claim is tested
    of_cellrank = [int(one[2:]) < 12 for one in pythons(jobs(path)["interop"])]
    assert sorted(of_cellrank) == [False, True]  # another CellRank from 3.12 on


def test_what_takes_long_runs_every_week() -> None:
    (path,) = (path for path in WORKFLOWS if path.name == "weekly.yml")
    on = yaml.safe_load(path.read_text())[True]
    assert re.fullmatch(r"\d+ \d+ \* \* \d", on["schedule"][0]["cron"])
    assert targets(path) == WEEKLY


def test_the_lowest_python_is_claimed_and_tested() -> None:
    assert f"3.{LOWEST}" in NAMED
