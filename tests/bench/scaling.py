"""Cost against the number of cells: `make scaling`.

Cells of cite are repeated with jitter (a tenth of a standard deviation), fitted through the
installed command on its defaults, each size in a process of its own. The last table says how
far the closed-form fit is from what the machine's matrix product allows: floating-point
operations counted, over the rate of one matrix product of the same shape in the same run.

    python tests/bench/scaling.py --commands 30000 100000   # CPU and memory of what follows a fit
    python tests/bench/scaling.py --nearest   # what it costs that some cells stand for all
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measuring import measured

if TYPE_CHECKING:
    from anndata import AnnData

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CITE = ROOT.parent / "shared" / "data" / "cite.h5ad"
COMMANDS = {  # after a quick fit: its choices do not matter to what the others cost
    "fit": "fit {data} --use-rep X_pca --no-report --threads 1 --path uot --tau 1 --curvature 1 "
    "--n-features 300 --max-cells 4000",
    "simulate": "simulate --from 2 --genes none",
    "fates": "fates",
    "eval": "eval --holdout 3",
    "export .h5ad": "export --into out.h5ad",
    "export .zarr": "export --into out.zarr",
    "report": "report",
}
SIZES = (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def replicate(n: int, dims: int, target: Path, n_types: int = 8, chunk: int = 50_000) -> None:
    """Write n jittered cells with `dims` components and types (k-means), a chunk at a time."""
    import anndata
    import h5py
    import pandas as pd
    from anndata.io import write_elem
    from scipy.sparse import csr_matrix
    from sklearn.cluster import KMeans

    source = anndata.read_h5ad(CITE)
    rng = np.random.default_rng(0)
    x = np.asarray(source.obsm["X_pca"])[:, :dims].astype(np.float32)
    types = KMeans(n_types, n_init=1, random_state=0).fit(x[:, :20]).labels_
    rows = rng.integers(len(x), size=n)
    names = [f"type{k}" for k in range(n_types)]
    obs = pd.DataFrame(
        {
            "day": source.obs["day"].to_numpy()[rows],
            "cell_type": pd.Categorical.from_codes(types[rows], names),
        },
        index=np.arange(n).astype(str),
    )
    with h5py.File(target, "w") as file:
        write_elem(file, "/", anndata.AnnData(csr_matrix((n, 1), dtype=np.float32), obs=obs))
        out = file["obsm"].create_dataset("X_pca", (n, dims), np.float32)
        out.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for start in range(0, n, chunk):
            part = x[rows[start : start + chunk]]
            jitter = rng.standard_normal(part.shape, dtype=np.float32)
            out[start : start + chunk] = part + 0.1 * x.std(0) * jitter


def cost_of_commands(sizes: Sequence[int], dims: int = 20) -> Iterator[str]:
    """Rows of CPU seconds and peak memory of each command, on ready coordinates."""
    yield "| cells | command | CPU s | peak MB |"
    yield "|---|---|---|---|"
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "cells.h5ad"
            replicate(n, dims, data)
            for name, text in COMMANDS.items():
                cost = measured(*text.format(data=data).split(), folder=Path(folder))
                yield f"| {n:,} | {name} | {cost.cpu:.1f} | {cost.peak:,.0f} |"


def demo_population(n: int) -> AnnData:
    """Cells of the demo's population on four days, n of each, in 20 components of their counts."""
    import anndata
    import pandas as pd
    from scipy.sparse import csr_matrix

    from cellam import demo
    from cellam.toys import Branching

    rng, truth, days = np.random.default_rng(3), Branching(step=0.05), (0, 2, 4, 7)
    found = truth.simulate(days, [n] * len(days), rng, founders=8 * n // 5)
    z = np.concatenate([z_k for z_k, _ in found])
    _, rates = demo._log_rates(z, truth.birth(0.0, z), truth.death(0.0, z), rng)
    logged = np.empty(rates.shape, dtype=np.float32)
    for start in range(0, len(z), 20_000):
        part = slice(start, start + 20_000)
        counts = demo._counts(rates[part], rng)
        logged[part] = np.log1p(1_000 * counts / counts.sum(1, keepdims=True))
    logged -= logged.mean(0)
    _, vectors = np.linalg.eigh(logged.T @ logged)
    obs = pd.DataFrame(
        {"day": np.repeat([f"day{t}" for t in days], n), "cell_type": truth.cell_type(z)},
        index=np.arange(len(z)).astype(str),
    )
    x = logged @ vectors[:, :-21:-1]
    return anndata.AnnData(csr_matrix((len(z), 1), dtype=np.float32), obs=obs, obsm={"X_pca": x})


def cost_of_stand_ins(adata: AnnData, start: str, sizes: Sequence[int]) -> Iterator[str]:
    """Rows of answers with some cells standing for all, beside the full answer (the first row)."""
    import cellam
    from cellam.analysis.assignment import reference
    from cellam.analysis.fates import predict_fates
    from cellam.dynamics import nearest
    from cellam.modelling.observed import thinned_day

    quick = {"n_features": 128, "path": "uot", "tau": 1.0, "curvature": 1.0, "max_cells": 3_000}
    model = cellam.fit(cellam.read(adata, use_rep="X_pca"), threads=1, **quick)
    types, last = adata.obs["cell_type"], len(model.snapshots) - 1
    moved = model.simulate(start, n_cells=3_000, seed=0)
    x, w = model.space.from_coordinates(moved.points[-1]), np.exp(moved.log_weights[-1])
    begin = thinned_day(model, model.snapshots.index(start), 5_000)
    yield "| searched | other type | composition | off_manifold | other flag | other fate | fates |"
    yield "|---|---|---|---|---|---|---|"
    full = None
    for most in (10**9, *sizes):
        nearest.MOST = most
        votes = reference(model, [last], types).assign(x)
        far = model.support.remoteness(x) > 1
        fate = predict_fates(begin, start, types).probability
        one = votes, w @ votes / w.sum(), far, fate
        full = full or one
        yield (
            f"| {'all' if one is full else f'{most:,}'} | "
            f"{100 * (votes.argmax(1) != full[0].argmax(1)).mean():.1f} % | "
            f"{50 * np.abs(one[1] - full[1]).sum():.1f} | {100 * far.mean():.1f} % | "
            f"{100 * (far != full[2]).mean():.1f} % | "
            f"{100 * (fate.argmax(1) != full[3].argmax(1)).mean():.1f} % | "
            f"{50 * np.abs(fate - full[3]).sum(1).mean():.1f} |"
        )


def share_of_the_limit(dims: int, threads: int) -> str:
    """Seconds of the closed-form fit beside those of its matrix products alone."""
    import torch

    from cellam.dynamics.couplings import Independent
    from cellam.dynamics.fitting import PARTICLES, draw_features, fit_kernel
    from cellam.dynamics.objectives import Objective
    from cellam.dynamics.paths import build_path
    from cellam.reading.snapshots import Snapshots

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    m, n = 1_000, 12_000
    points = tuple(rng.standard_normal((n, dims)) for _ in range(2))
    days = Snapshots(points, (0.0, 1.0), ("a", "b"), (1.0, 1.0), (np.arange(n),) * 2)
    path = build_path(days, Independent(), rng)
    features = draw_features(days, m, rng)
    fit_kernel(path, Objective(), features, rng=rng, particles=2_000)  # warm
    began = time.monotonic()
    fit_kernel(path, Objective(), features, rng=rng)
    seconds = time.monotonic() - began
    particles = path.n_particles * max(1, PARTICLES // path.n_particles)
    # SᵀWS, the phases and ẋ·Ω of every particle; ΩΩᵀ once a chunk; 13 Cholesky factorisations.
    flops = particles * (2 * m**2 + 4 * m * dims) + particles / 8_192 * 2 * m**2 * dims
    flops_double = 13 * m**3 / 3
    rates = []
    for dtype in (torch.float32, torch.float64):
        a = torch.randn(m, 8_192, dtype=dtype)
        a @ a.T
        t = time.monotonic()
        for _ in range(5):
            a @ a.T
        rates.append(5 * 2 * m * m * 8_192 / (time.monotonic() - t))
    least = flops / rates[0] + flops_double / rates[1]
    return (
        f"| {dims} | {particles:,} | {flops / 1e9:.0f} + {flops_double / 1e9:.0f} | "
        f"{rates[0] / 1e9:.0f}, {rates[1] / 1e9:.0f} | {least:.2f} | {seconds:.2f} | "
        f"{100 * least / seconds:.0f} % |"
    )


def main() -> None:
    """Run all sizes and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="write SCALING.md")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--commands", type=int, nargs="+", metavar="CELLS")
    parser.add_argument("--nearest", action="store_true")
    asked = parser.parse_args()
    if asked.nearest:
        for row in cost_of_stand_ins(demo_population(50_000), "day2", (30_000, 10_000, 3_000)):
            print(row, flush=True)
        return
    if not CITE.exists():
        print(f"{CITE.name} is not here", file=sys.stderr)
        return
    if asked.commands:
        for row in cost_of_commands(asked.commands):
            print(row, flush=True)
        return
    lines = [
        f"Measured on {date.today().isoformat()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{asked.threads} threads, with `make scaling`: `cellam fit` on its defaults, reading and "
        "writing included.",
        "",
        "| cells | components | seconds | peak MB |",
        "|---|---|---|---|",
    ]
    for dims in (5, 50):
        for n in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                data = Path(folder) / "cells.h5ad"
                replicate(n, dims, data)
                words = "fit", data, "--use-rep", "X_pca", "--threads", asked.threads
                cost = measured(*words, folder=Path(folder))
            lines.append(f"| {n:,} | {dims} | {cost.wall:.1f} | {cost.peak:,.0f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    lines += [
        "",
        "The closed-form fit of 1,000 features, beside its matrix products at the rate of one:",
        "",
        "| components | particles | GFLOP (single + double) | GFLOP/s | limit s | fit s | share |",
        "|---|---|---|---|---|---|---|",
        *(share_of_the_limit(dims, asked.threads) for dims in (5, 50)),
    ]
    text = "\n".join(lines)
    print(text)
    if asked.write:
        page = HERE / "SCALING.md"
        _, head, others = page.read_text("utf-8").partition("\n## ")  # of the other tables
        page.write_text(f"# Cost and the number of cells\n\n{text}\n{head}{others}", "utf-8")


if __name__ == "__main__":
    main()
