"""What a check finds in data made to have it, and that its estimates are of the right size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

import cellam
from cellam.checks import check as checks
from cellam.checks.caveats import caveats
from cellam.checks.check import check
from cellam.errors import CellamError
from cellam.options import ReadOptions


def test_a_check_finds_what_is_in_the_data(small: anndata.AnnData) -> None:
    small.obs["sample"] = small.obs["day"].astype(str) + "_" + small.obs_names.str[-1]
    small.obs["donor"] = np.tile(["a", "b"], 80)
    small.obsm["X_map"] = np.zeros((160, 3))
    found = check(small)
    assert found.gaps == [2.0, 2.0, 3.0]
    assert found.cells.kind == "counts"
    assert found.embeddings == {"X_latent": 2, "X_map": 3}
    assert found.layers == ("counts",)
    assert (found.types, found.n_types) == ("cell_type", 4)
    assert [(b.key, b.confounded) for b in found.batches] == [("sample", True), ("donor", False)]
    assert [c.name for c in found.caveats] == ["batch"]


def test_days_with_few_cells_and_too_little_memory_are_caveats(
    small: anndata.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin = small[small.obs["day"].ne("day2") | (np.arange(160) % 8 == 0)].copy()
    del thin.obs["cell_type"]  # of which few are left as well
    monkeypatch.setattr(checks, "available_memory", lambda: 10**8)
    monkeypatch.setattr(checks, "resident_memory", lambda: 10**8)
    found = check(thin)
    assert [c.name for c in found.caveats] == ["cells", "memory"]
    assert "day2 has only 5 cells" in found.caveats[0].finding


def test_types_of_a_few_cells_are_named_as_by_the_fit_and_one_of_six_is_not(
    small: anndata.AnnData,
) -> None:
    state = small.obs["cell_type"].astype(str).to_numpy()
    state[:3], state[10:16] = "odd", "few"
    small.obs["cell_type"] = state
    (caveat,) = check(small).caveats
    assert caveat.name == "rare types" and "odd (3 cells)" in caveat.finding
    assert "few (" not in caveat.finding
    cells = cellam.read(small)
    model = cellam.fit(cells, n_features=32, n_pcs=3)
    assert caveat in caveats(model, cells)
    assert not any("odd (" in c.finding for c in check(small, exclude=["day0"]).caveats)


@pytest.mark.parametrize(
    ("donor", "said"),
    [(np.tile(["a", "b"], 80), (False, True)), (np.repeat(["a", "b"], 80), (False, False))],
)
def test_a_batch_on_every_day_is_told_from_one_on_several(
    small: anndata.AnnData, donor: np.ndarray, said: tuple[bool, bool]
) -> None:
    small.obs["donor"] = donor
    (batch,) = check(small).batches
    assert (batch.confounded, batch.everywhere) == said


@pytest.mark.parametrize("kind", ["file", "object"])
@pytest.mark.parametrize("rep", [None, "X_latent"])
def test_genes_of_growth_are_counted_whatever_the_cells_are_embedded_by(
    demo_path: Path, kind: str, rep: str | None
) -> None:
    data = demo_path if kind == "file" else anndata.read_h5ad(demo_path)
    found = check(data, use_rep=rep)
    assert found.genes == {
        "human": {"division": (22, 97), "death": (9, 159)},
        "mouse": {"division": (22, 97), "death": (7, 192)},
    }
    assert found.species == "mouse"
    assert found.embeddings == {"X_latent": 2}


def test_the_species_is_told_by_capitals_and_only_where_genes_suffice(
    demo_path: Path, small: anndata.AnnData
) -> None:
    adata = anndata.read_h5ad(demo_path)
    adata.var_names = [name.upper() for name in adata.var_names]
    assert check(adata).species == "human"
    adata.var_names = [f"ENSG{k:011d}" for k in range(adata.n_vars)]
    assert check(adata).species is None


def test_a_check_refuses_what_a_fit_refuses(small: anndata.AnnData) -> None:
    small.X[3] = 0
    with pytest.raises(CellamError, match="have no counts"):
        check(small)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"population": {"day0": 1.0}}, "no size for day2, day4, day7"),
        ({"growth_prior": "rat"}, "neither a species nor a column"),
        ({"growth_prior": "cell_type"}, "does not hold numbers"),
        ({"growth_prior": "one"}, "is 1 in all cells"),
        ({"batch_key": "day"}, "holds the time"),
        ({"device": "mps"}, "no such device"),
    ],
)
def test_a_check_refuses_options_as_a_fit_does(
    small: anndata.AnnData, options: dict[str, Any], match: str
) -> None:
    small.obs["one"] = 1.0
    reading = {name: value for name, value in options.items() if name in ReadOptions.model_fields}
    with pytest.raises(CellamError, match=match) as by_check:
        check(small, **options)
    with pytest.raises(CellamError) as by_fit:
        cellam.fit(cellam.read(small, **reading), **options)
    assert by_check.value.message == by_fit.value.message


def test_a_check_has_a_table_json_and_a_short_form(small: anndata.AnnData) -> None:
    small.obs["day"] = small.obs["day"].astype(str).replace("day0", "<b>day 0")
    small = small[small.obs["day"].ne("day2") | (np.arange(160) % 8 == 0)].copy()
    found = check(small, time_map={"<b>day 0": 0, "day2": 2, "day4": 4, "day7": 7})
    frame = found.to_frame()
    assert list(frame["label"]) == ["<b>day 0", "day2", "day4", "day7"]
    assert list(frame["time"]) == [0, 2, 4, 7]
    assert list(frame["gap"].iloc[1:]) == [2, 2, 3] and np.isnan(frame["gap"].iloc[0])
    assert not frame["excluded"].any() and found.excluded == ()
    rest = check(small, time_map=found.cells.timeline.spellings, exclude=("day2",)).to_frame()
    assert rest["excluded"].tolist() == [False, True, False, False]
    assert rest["gap"].fillna(0).tolist() == [0, 0, 4, 3]
    days = small.obs["day"].value_counts()
    assert list(frame["cells"]) == [days[label] for label in frame["label"]]
    read = json.loads(found.to_json(), parse_constant=lambda name: pytest.fail(name))
    assert read["cells"] == {label: int(days[label]) for label in frame["label"]}
    assert read["growth_genes"]["mouse"]["division"] == found.genes["mouse"]["division"][0]
    assert read["estimate"] == found.estimate.to_dict()
    assert "next" not in read  # what to type is the command's
    assert repr(found).startswith("Check(data: ") and len(repr(found)) < 200
    assert "caveats: cells" in repr(found)
    page = found._repr_html_()
    assert page.count("<table") == 2 and "<b>" not in page and "&lt;b&gt;day 0" in page


def test_a_check_loads_no_model() -> None:
    """Half of its memory and three quarters of its time would be torch."""
    code = "import sys; import cellam.checks.check; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
