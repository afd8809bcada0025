"""Cost against the number of cells: `make scaling`.

Cells of cite are repeated with jitter (a tenth of a standard deviation), fitted through the
installed command on its defaults, each size in a process of its own. The last table says how
far the closed-form fit is from what the machine's matrix product allows: floating-point
operations counted, over the rate of one matrix product of the same shape in the same run.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CITE = ROOT.parent / "shared" / "data" / "cite.h5ad"
CELLAM = Path(sys.executable).with_name("cellam")
SIZES = (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def replicate(n: int, dims: int, target: Path) -> None:
    """Write n jittered cells with `dims` components."""
    import anndata
    import pandas as pd
    import scipy.sparse

    source = anndata.read_h5ad(CITE)
    rng = np.random.default_rng(0)
    rows = rng.integers(source.n_obs, size=n)
    x = np.asarray(source.obsm["X_pca"])[:, :dims].astype(np.float32)
    x = x[rows] + 0.1 * x.std(0) * rng.standard_normal((n, dims), dtype=np.float32)
    obs = pd.DataFrame({"day": source.obs["day"].to_numpy()[rows]}, index=np.arange(n).astype(str))
    empty = scipy.sparse.csr_matrix((n, 1), dtype=np.float32)
    anndata.AnnData(empty, obs=obs, obsm={"X_pca": x}).write_h5ad(target)


def measured(command: list[str], cwd: Path) -> tuple[float, float]:
    """Wall seconds and peak memory (MB)."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


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
    asked = parser.parse_args()
    if not CITE.exists():
        print(f"{CITE.name} is not here", file=sys.stderr)
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
                command = [str(CELLAM), "fit", str(data), "--use-rep", "X_pca"]
                command += ["--threads", str(asked.threads)]
                seconds, peak = measured(command, Path(folder))
            lines.append(f"| {n:,} | {dims} | {seconds:.1f} | {peak:,.0f} |")
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
        (HERE / "SCALING.md").write_text(f"# Cost and the number of cells\n\n{text}\n", "utf-8")


if __name__ == "__main__":
    main()
