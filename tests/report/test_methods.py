from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import anndata
import pandas as pd
import pytest

import cellam
from cellam.days.time_labels import named
from cellam.dynamics.couplings import COUPLINGS
from cellam.evaluation.evaluate import evaluate
from cellam.evaluation.metrics import METRICS
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.report.methods import Methods, _held_out, describe
from cellam.report.references import REFERENCES
from cellam.toys import Branching

FAST = {"n_features": 16, "n_pcs": 3}


def _described(
    model: Model, cells: Cells, path: Path, table: pd.DataFrame | None = None
) -> Methods:
    return describe(cellam.save(model, cells, path / "run"), table)


def _text(methods: Methods) -> str:
    return " ".join(methods.paragraphs)


def test_it_says_what_the_run_did(model: Model, cells: Cells, tmp_path: Path) -> None:
    text = _text(_described(model, cells, tmp_path))
    assert f"cellam {cellam.__version__} from 160 cells of 4 time points" in text
    assert "day0: 40; day2: 40; day4: 40; day7: 40" in text
    assert f"normalised to {model.space.library:,.0f} a cell, transformed by log(1 + x)" in text
    assert "first 5 principal components of 50 genes" in text
    assert "unbalanced optimal transport (penalty on growth τ = 1;" in text
    assert "unbalanced Action Matching" in text
    assert "64 random Fourier features" in text
    ridge = f"ridge of {model.fit.record.ridge:g}"
    assert f"with a {ridge}," in text
    assert "growth rate of cells is an independent function" in text
    assert "growth is relative to the population" in text
    assert "fourth-order Runge–Kutta" in text
    assert "left out" not in text
    assert "To judge the fit" not in text
    assert "τ was chosen" not in text  # it was asked for


def test_where_cells_went_on_as_observed_ones_is_said(
    model: Model, cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellam.modelling.stages.LONGEST", 1)
    text = _text(_described(replace(model), cells, tmp_path))
    assert "at day2 and day4 those of day0 went on as observed cells of that time point" in text


def test_what_was_asked_for_is_not_said_to_be_chosen(cells: Cells, tmp_path: Path) -> None:
    asked = cellam.fit(cells, **FAST, tau=1.0, curvature=0.5)
    assert "chosen by the energy distance" not in _text(_described(asked, cells, tmp_path / "a"))
    assert "(curvature 0.5; cubic" in _text(_described(asked, cells, tmp_path / "b"))
    chosen = cellam.fit(cells, **FAST)
    text = _text(_described(chosen, cells, tmp_path / "c"))
    assert "τ was chosen by the energy distance" in text


@pytest.mark.parametrize(
    ("options", "said", "unsaid"),
    [
        ({"method": "am"}, ["by Action Matching", "exact optimal transport"],
         ["growth", "noise", "unbalanced", "Sinkhorn"]),
        ({"method": "eam", "sigma": 0.7}, ["entropic Action Matching", "σ = 0.7", "Euler–Maruyama"],
         ["growth rate", "Runge–Kutta"]),
        ({"growth": "tied", "growth_scale": 2.0, "tau": 3.0},
         ["growth rate of a cell is 2 times its action", "τ = 3"], ["independent function"]),
        ({"path": "independent"}, ["pairing cells at random", "growth is zero"], ["optimal"]),
        ({"path": "mixture"}, ["mixing both populations"], ["move along"]),
        ({"tau": 1.0, "curvature": 0.0}, ["along straight lines"], ["spline"]),
        ({"tau": 1.0, "whiten": True}, ["each by its own standard deviation"], ["by the largest"]),
        ({"tau": 1.0, "exclude": ("day4",)}, ["120 cells of 3 time points", "; day4 was left out."],
         ["day4: 40"]),
        ({"tau": 1.0, "population": "cells"}, ["mass of their numbers of cells"], ["relative"]),
        ({"tau": 1.0, "seed": 9}, ["random seed was 9"], []),
        ({"tau": 1.0, "action": "mlp", "steps": 20}, ["neural network", "20 steps with AdamW"],
         ["Fourier", "ridge"]),
    ],
)  # fmt: skip
def test_every_option_is_said(
    cells: Cells, tmp_path: Path, options: dict[str, object], said: list[str], unsaid: list[str]
) -> None:
    text = _text(_described(cellam.fit(cells, **{**FAST, **options}), cells, tmp_path))
    for words in said:
        assert words in text
    for words in unsaid:
        assert words not in text


def test_a_given_representation_has_no_pca(
    rep_model: Model, rep_cells: Cells, tmp_path: Path
) -> None:
    text = _text(_described(rep_model, rep_cells, tmp_path))
    assert "first 2 of the representation X_latent, used as given" in text
    assert "principal components" not in text
    assert "scanpy" not in text


def test_log_values_are_not_said_to_be_counted(small: anndata.AnnData, tmp_path: Path) -> None:
    import scanpy as sc

    sc.pp.normalize_total(small)
    sc.pp.log1p(small)
    cells = cellam.read(small)
    text = _text(_described(cellam.fit(cells, **FAST, tau=1.0), cells, tmp_path))
    assert "normalised" not in text
    assert "log(1 + x)" not in text
    assert "Values were projected on the first 3 principal components" in text


def test_scores_are_described_as_they_were_made(model: Model, cells: Cells, tmp_path: Path) -> None:
    asked = {"options": model.options, "refits": 0}
    table = evaluate(cells, ("day2", "day4"), metrics=["W1", "energy"], **asked).table
    text = _text(_described(model, cells, tmp_path, table))
    assert "day2 and day4 were each held out" in text
    assert "from the time points on both sides" in text
    assert "Wasserstein-1" in text
    assert "Wasserstein-2" not in text
    assert f"with 20 cells on each side and means over {table['draws'].iloc[0]} draws" in text
    for words in ("time point before", "time point after", "mixture of both", "interpolation"):
        assert words in text
    beyond = evaluate(cells, "day7", metrics=["W1"], **asked).table
    text = _text(_described(model, cells, tmp_path / "b", beyond))
    assert "day7 was held out" in text
    assert "both sides" not in text
    assert "time point after" not in text


def test_every_citation_has_a_reference_and_the_other_way_round(
    model: Model, cells: Cells, tmp_path: Path
) -> None:
    methods = _described(model, cells, tmp_path)
    numbers = [int(n) for group in re.findall(r"\[([\d, ]+)\]", _text(methods))
               for n in group.split(",")]  # fmt: skip
    assert set(numbers) == set(range(1, len(methods.references) + 1))
    first = list(dict.fromkeys(numbers))
    assert first == sorted(first)
    assert set(methods.references) <= set(REFERENCES.values())
    assert REFERENCES["am"] in methods.references


@pytest.mark.parametrize(
    "description",
    [one.description for one in (*METRICS.values(), *(kind() for kind in COUPLINGS.values()))],
)
def test_every_description_of_a_registry_can_be_filled_in(description: str) -> None:
    methods = Methods()
    text = methods.fill(description, {"POT": "0.0.7"}, coupling=COUPLINGS["uot"]())
    assert not set("{}") & set(text)
    assert "POT" not in text or "POT 0.0.7" in text
    assert f"[{len(methods.references)}]" in text or not methods.references


def test_versions_are_those_of_the_fit(model: Model, cells: Cells, tmp_path: Path) -> None:
    run = cellam.save(model, cells, tmp_path / "run")
    run.provenance["packages"]["scanpy"] = "0.0.7"
    assert "scanpy 0.0.7" in _text(describe(run))


def test_days_that_are_numbers_are_called_times() -> None:
    assert [named(x) for x in ("day2", "E8.5", "2.5")] == ["day2", "E8.5", "time 2.5"]


@pytest.mark.slow
def test_a_prior_of_growth_is_said_with_its_sources_and_how_much_was_taken(
    demo_path: Path, tmp_path: Path
) -> None:
    adata = anndata.read_h5ad(demo_path)[::4].copy()
    truth = Branching().growth(0.0, adata.obsm["X_latent"].astype(float))
    adata.obs["right"], adata.obs["wrong"] = truth, -truth
    texts = {}
    for prior in ("mouse", "right", "wrong"):
        cells = cellam.read(adata, growth_prior=prior, use_rep="X_latent")
        model = cellam.fit(cells, n_features=16, tau=1.0, curvature=1.0)
        share = f"{model.choice.recipe.prior:g}"
        texts[prior] = _described(model, cells, tmp_path / prior)
        if prior != "wrong":
            assert f"given a weight of {share}" in _text(texts[prior])
    assert "22 of 97 division genes (Tirosh et al. 2016), 7 of 192 death genes" in _text(
        texts["mouse"]
    )
    for source in ("Tirosh", "Liberzon", "Schiebinger", "moscot"):
        assert any(source in reference for reference in texts["mouse"].references)
        assert not any(source in reference for reference in texts["right"].references)
    assert "came from the column right of the annotation" in _text(texts["right"])
    assert "they were not used" in _text(texts["wrong"])


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (5, "each held out in turn"),
        (10, "6 of them, each held out in turn"),
        (40, "6 of them, each held out in turn and predicted by fits to the 10 nearest"),
    ],
)
def test_it_says_on_how_many_days_the_choice_rests(days: int, said: str) -> None:
    assert _held_out(days) == said
