from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bench.regulators import genes_of_a_fork

from cellam.analysis.descendants import transitions
from cellam.analysis.leads import leads, likeness
from cellam.analysis.regulators import LIKE, compete, regulators
from cellam.coordinates.normalisation import log_normalised
from cellam.errors import DataError
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.reading.factors import read_factors


def _dense(cells: Cells) -> np.ndarray:
    return np.concatenate(
        [c.toarray() if hasattr(c, "toarray") else c for _, c in log_normalised(cells).chunks()]
    ).astype(float)


def test_leads_are_correlations_over_pairs_of_cells_and_descendants(
    model: Model, cells: Cells
) -> None:
    """The definition, pair by pair, with a choice of the cells that are followed."""
    rng = np.random.default_rng(0)
    z, keep = rng.normal(size=len(cells)), rng.random(len(cells)) < 0.7
    X, days = _dense(cells), model.snapshots
    one = pd.Series("cell", index=range(len(cells)))
    sums = np.zeros((2, 3, X.shape[1]))
    for start, end in itertools.pairwise(days.labels):
        i, j = (days.rows[days.index(day)] for day in (start, end))
        found = transitions(model, start, end, one)
        pairs = found.alone.toarray() * (found.mass * days.weights[days.index(start)])[:, None]
        pairs[~keep[i]] = 0
        pairs *= keep[i].sum() / pairs.sum()
        for side, (mass, at, to) in enumerate(((pairs, i, j), (pairs.T, j, i))):
            x = X[at] - np.average(X[at], axis=0, weights=mass.sum(1))
            y = z[to] - np.average(z[to], weights=mass.sum(0))
            sums[side] += [
                y @ mass.T @ x,
                mass.sum(1) @ x**2,
                np.full(len(x.T), mass.sum(0) @ y**2),
            ]
    before, after = sums[:, 0] / np.sqrt(sums[:, 1] * sums[:, 2])
    found = leads(model, cells, z, keep)
    assert found.gaps == 3 and tuple(found.table["gene"]) == cells.genes
    np.testing.assert_allclose(found.table["before"], before, atol=1e-6)
    np.testing.assert_allclose(found.table["after"], after, atol=1e-6)
    np.testing.assert_allclose(found.table["lead"], np.abs(before) - np.abs(after), atol=1e-6)


def test_what_has_no_later_day_or_does_not_vary_is_refused(model: Model, cells: Cells) -> None:
    last = cells.codes == cells.codes.max()
    with pytest.raises(DataError, match="None of these cells has a later training day"):
        leads(model, cells, np.arange(len(cells), dtype=float), last)
    with pytest.raises(DataError, match="the same in all cells"):
        leads(model, cells, np.full(len(cells), 0.3), ~last)
    types = pd.Series(np.where(np.arange(len(cells)) % 40 < 5, "rare", "common"), name="type")
    with pytest.raises(DataError, match="5 cells of day7 are in 'rare'; at least 10"):
        likeness(model, types, "rare")


def test_likeness_is_along_what_tells_the_state(model: Model, cells: Cells) -> None:
    """States of the last day that differ in one coordinate, which other days have too."""
    days, last = model.snapshots, cells.codes == cells.codes.max()
    x = days.to_data_order(np.concatenate(days.points)[:, 0])
    high = pd.Series(np.where(x > np.median(x[last]), "high", "low"), name="half")
    z = likeness(model, high.where(last), "high")
    assert np.corrcoef(z[last], x[last])[0, 1] > 0.7
    assert np.corrcoef(z[~last], x[~last])[0, 1] > 0.5
    np.testing.assert_allclose(likeness(model, high, "low"), -z)


def test_factors_by_chance_have_uniform_p_whatever_genes_depend_on() -> None:
    """Leads that rise and spread with expression, and hang together: 5 % are below 0.05."""
    rng = np.random.default_rng(0)
    g = 600
    expressed = rng.lognormal(size=(g, 2))
    size = np.log(expressed[:, 0])
    lead = size + np.exp(size / 2) * (rng.normal(size=g) + 2 * rng.normal(size=3)[np.arange(g) % 3])
    share = {}
    for least in (-np.inf, 0.5):  # of all genes, and of those that are expressed well
        p = []
        for _ in range(25):
            ours = np.zeros(g, dtype=bool)
            ours[rng.choice(np.flatnonzero(size > least), 30, replace=False)] = True
            p.append(compete(lead, expressed, ours)[1])
        share[least] = np.mean(np.concatenate(p) < 0.05)
    assert 0.035 < share[-np.inf] < 0.065 and share[0.5] < 0.09
    # Against all genes without regard to their expression, the second would be far more.
    plain = [(1 + (lead >= value).sum()) / (1 + g) for value in lead[size > 0.5]]
    assert np.mean(np.array(plain) < 0.05) > 0.12


def test_p_counts_the_other_genes() -> None:
    value = np.append(np.arange(LIKE, dtype=float), [LIKE + 50.0, -50.0])
    ours = np.arange(len(value)) >= LIKE
    above, p = compete(value, np.ones((len(value), 2)), ours)
    np.testing.assert_allclose(above, [1, 0])
    np.testing.assert_allclose(p, [1 / (1 + LIKE), 1])


def test_lists_that_cannot_be_compared_are_refused(model: Model, cells: Cells) -> None:
    genes = pd.DataFrame({"gene": list(cells.genes), "mean": 1.0, "share_of_cells": 0.5})
    found = genes[["gene"]].assign(before=0.1, after=0.0, lead=0.1)
    with pytest.raises(DataError, match=r"49 genes of the data .* at least 100 are needed"):
        regulators(genes, found, read_factors([cells.genes[0]]), cells=160, gaps=3)
    with pytest.raises(DataError, match="None of the 1 transcription factor of a list of 1"):
        regulators(genes, found, read_factors(["ENSG00000102145"]), cells=160, gaps=3)
    rare = genes.assign(share_of_cells=9 / 160)
    with pytest.raises(DataError, match="the 0 genes that at least 10 of these cells express"):
        regulators(rare, found, read_factors([cells.genes[0]]), cells=160, gaps=3)


def test_what_makes_little_of_the_answer_is_said() -> None:
    genes = pd.DataFrame({"gene": [f"g{k}" for k in range(150)], "share_of_cells": 0.5})
    genes["mean"] = np.arange(150.0)
    found = genes[["gene"]].assign(before=0.1, after=0.0, lead=np.arange(150) / 150)
    one = regulators(genes, found, read_factors(["g0", "g1"]), cells=60, gaps=2)
    assert one.notes == () and one.says == "0 of 2 transcription factors" and one.others == 148
    long = read_factors(["g0", "g1", *(f"h{k}" for k in range(50))])
    two, few = regulators(genes, found, long, cells=60, gaps=1).notes
    assert two.startswith("Two days leave one gap")
    assert few.startswith("2 transcription factors of 52 can be ranked")


def test_a_factor_leads_its_targets_and_so_does_what_has_the_same_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Any]
) -> None:
    """Where it fails: a gene of the same hidden cause does nothing, and leads as well."""
    monkeypatch.chdir(tmp_path)
    adata = genes_of_a_fork(np.random.default_rng(0), n_cells=150, flat=150, course=20)
    adata.write_h5ad("fork.h5ad")
    kind = adata.var["kind"]
    asked = kind.index[kind != "flat"]
    Path("tf.txt").write_text("\n".join(asked))
    fit = ("fit", "fork.h5ad", "--n-features", 64, "--n-pcs", 5, "--curvature", 1, "--tau", 1)
    assert call(*fit).code == 0
    line = ("drivers", "--of", "fate:A", "--groupby", "arm", "--tf", "tf.txt", "-n", 100)
    told = json.loads(call(*line, "--csv", "all.csv", "--json").out)["regulators"]
    assert (told["source"], told["listed"], told["gaps"]) == ("tf.txt", len(asked), 3)
    table = pd.DataFrame(told["table"])
    p = table.groupby(table["gene"].map(kind))["p_value"]
    assert len(table) == told["factors"] and table["p_value"].is_monotonic_increasing
    assert p.max()["factor"] < 0.05 and p.min()["same cause"] < 0.05
    assert p.median()["target"] > 0.5 and p.min()["late target"] > 0.5
    every = pd.read_csv("all.csv")
    assert len(every) > len(table) and every["lead_p_value"].count() == len(table)
    said = call(*line[:-1], 5).out
    assert said.count(" %") == 5 and "A factor that leads need not regulate" in said
    assert "likeness: how much a cell already looks like A" in said
