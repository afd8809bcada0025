"""The R of the guide, run where R is: it reads what `export` wrote as Python does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellam.guide.topics import GUIDE

PAGE = (GUIDE / "howto" / "r-seurat.md").read_text("utf-8")
SCRIPT = re.findall(r"^```r\n(.*?)^```$", PAGE, re.M | re.S)[0]
R = shutil.which("Rscript")


def run(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    (folder / "read-cells.R").write_text(SCRIPT)
    (folder / "call.R").write_text(f'source("read-cells.R")\n{more}\n')
    return subprocess.run([R, "call.R"], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Tables as `export --tables` writes them, with names that R would take for something else."""
    (folder := tmp_path / "results").mkdir()
    pd.DataFrame(
        {
            "cell": ["007", "1e3", "NA"],
            "day": ["0", "0", "2"],
            "growth": [0.25, -0.5, np.nan],
            "low": [0.0, -1.0, np.nan],
            "high": [0.5, 0.0, np.nan],
        }
    ).to_csv(folder / "growth.csv", index=False)
    pd.DataFrame(
        {
            "cell": ["007", "007", "1e3", "1e3"],
            "day": ["0"] * 4,
            "fate": ["T cell", "NA"] * 2,
            "probability": [0.9, 0.1, 0.2, 0.8],
        }
    ).to_csv(folder / "fates.csv", index=False)
    return folder


@pytest.mark.skipif(R is None, reason="Rscript is not on the PATH")
def test_the_script_joins_growth_and_fates_by_name(tables: Path) -> None:
    done = run(tables.parent, 'write.csv(read_cells("results"), "out.csv")')
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(tables.parent / "out.csv", dtype=str, keep_default_na=False)
    found = found.set_index(found.columns[0]).replace("NA", np.nan).astype(float)
    assert list(found.index) == ["007", "1e3", "NA"]
    np.testing.assert_allclose(found["growth"], [0.25, -0.5, np.nan])
    np.testing.assert_allclose(found["fate_T cell"], [0.9, 0.2, np.nan])
    np.testing.assert_allclose(found["fate_NA"], [0.1, 0.8, np.nan])


@pytest.mark.skipif(R is None, reason="Rscript is not on the PATH")
def test_an_object_without_those_cells_is_refused(tables: Path) -> None:
    other = 'matrix(0, 1, 2, dimnames = list("gene", c("a", "b")))'
    done = run(tables.parent, f'add_cellam({other}, "results")')
    assert done.returncode != 0
    assert "No cell of the object has a name that is in results" in done.stderr


def test_the_script_reads_columns_that_are_written() -> None:
    """Without R, too: the tables and columns that it names are those of the reference."""
    keys = (GUIDE / "reference" / "keys.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", keys, re.M))
    for table, column in re.findall(r"\b(growth|fates)\$(\w+)", SCRIPT):
        assert f"`{column}`" in rows[table]
    for column in re.findall(r'"(growth|low|high)"[,)]', SCRIPT):
        assert f"`{column}`" in rows["growth"]
