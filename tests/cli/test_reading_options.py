"""Every command on runs of every option that says how the data are read.

Each option reads other cells than the defaults do, so a command that forgot one of them reads
something that is not the data of the run, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

import cellam

Call = Callable[..., Any]
COMMON = {
    "time_map": ("--time-key", "letter", "--time-map", "a=0,b=1,c=3,d=9"),
    "growth_prior": ("--growth-prior", "rate"),
    "replicate": ("--replicate", "none"),
}
RUNS = {
    "of genes": {**COMMON, "layer": ("--layer", "raw"), "values": ("--values", "log")},
    "of a representation": {
        **COMMON,
        "use_rep": ("--use-rep", "X_latent"),
        "velocity": ("--velocity", "velocity_latent"),
    },
}
COMMANDS = {
    "info": (),
    "simulate": ("--from", "{0}"),
    "eval": (
        "--holdout",
        "{1}",
        "--metrics",
        "energy",
        "--baselines",
        "previous",
        "--no-counterpart",
    ),
    "fates": (),
    "drivers": ("--of", "speed"),
    "perturb": ("--from", "{0}", "-g", "{gene}=-1"),
    "plot heldout": ("--holdout", "{1}", "--metric", "energy"),
    "plot velocity": (),
    "export": ("--into", "out.h5ad", "--tables", "tables"),
}


@pytest.fixture
def data(here: Path) -> Path:
    """Cells with other times, more genes in raw, velocities, and expected rates of growth."""
    adata = anndata.read_h5ad("small.h5ad")
    code = adata.obs["day"].astype(str).rank(method="dense").astype(int) - 1
    adata.obs["letter"] = list(map("abcd".__getitem__, code))
    adata.obs["rate"] = np.linspace(-0.1, 0.1, adata.n_obs)
    rng = np.random.default_rng(0)
    adata.obsm["velocity_latent"] = rng.standard_normal(adata.obsm["X_latent"].shape)
    adata.raw = adata.copy()
    adata = adata[:, :30].copy()
    adata.write_h5ad("small.h5ad")
    return here / "small.h5ad"


@pytest.mark.parametrize(
    "kind", ["of genes", pytest.param("of a representation", marks=pytest.mark.slow)]
)
def test_every_command_reads_the_data_as_they_were_fitted(
    call: Call, data: Path, kind: str
) -> None:
    args = [word for option in RUNS[kind].values() for word in option]
    size = ("--n-features", "16", "--tau", "1", "--curvature", "0", "--n-pcs", "2")
    fitted = call("fit", data, *args, *size)
    assert fitted.code == 0, fitted.err
    run = cellam.open_run()
    given = run.model.options.reading
    assert given.model_dump() == cellam.read(data, given).reading.model_dump()
    assert all(getattr(given, option) is not None for option in RUNS[kind])
    labels, gene = run.model.timeline.labels, (*run.model.space.genes, "")[0]
    for command, rest in COMMANDS.items():
        if command == "perturb" and "use_rep" in RUNS[kind]:
            continue  # it has no genes to change
        result = call(*command.split(), *(word.format(*labels, gene=gene) for word in rest))
        assert result.code == 0, (command, result.err)


def test_what_a_check_tells_to_type_has_every_option(call: Call, data: Path) -> None:
    asked = ("--time-key", "letter", "--time-map", "a=0,b=1,c=3,d=9", "--layer", "raw", "--values")
    said = call("check", data, *asked, "counts").out
    following = next(line for line in said.splitlines() if line.startswith("next"))
    for word in (*asked, "counts"):
        assert word in following
