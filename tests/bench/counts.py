"""Cost from counts: `python tests/bench/counts.py 30000 100000 [--format zarr] [--commands fit]`.

Counts are gamma-Poisson, 7 % of them not zero, on five days with four arms. 5,000 cells of each day
are drawn; further ones are these in another order, each with one count more, so that no two are the
same and reading costs what it does of any file. They are written a block at a time. Each command
runs in a process of its own that may take 12 GB of address space; files are removed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measuring import measured
from scipy import sparse

DAYS = (0, 1, 2, 4, 7)
DISTINCT = 5_000  # cells of a day that are drawn
SHARE = 0.07  # of the counts that are not zero
COMMANDS = {  # in this order: the later ones use the run of `fit`
    "check": "check {data}",
    "fit": "fit {data} --threads 1",
    "simulate": "simulate --from 2",
    "fates": "fates",
    "eval": "eval --holdout 2",
    "export .h5ad": "export --into out.h5ad",
    "export .zarr": "export --into out.zarr",
    "report": "report",
}


def drawn(n: int, genes: int, seed: int = 0) -> list[tuple[Any, np.ndarray]]:
    """Counts (n, genes) and the arm of each cell, for every day."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(0, 1.6, genes)
    level /= level.sum()
    programmes = 0.35 * rng.standard_normal((6, genes))
    depth = _depth(level)
    days = []
    for day in DAYS:
        scores, arm = 0.6 * rng.standard_normal((n, 6)), rng.integers(0, 4, n)
        scores[:, 0] += day / 2.5
        scores[np.arange(n), 1 + arm] += day / 3
        blocks = []
        for start in range(0, n, 500):
            mean = level * np.exp(scores[start : start + 500] @ programmes)
            mean *= depth * rng.lognormal(0, 0.3, (len(mean), 1)) / mean.sum(1, keepdims=True)
            counts = rng.poisson(mean * rng.gamma(2.0, 0.5, mean.shape))
            blocks.append(sparse.csr_matrix(counts.astype(np.float32)))
        days.append((sparse.vstack(blocks, format="csr"), arm))
    return days


def _depth(level: np.ndarray) -> float:
    """Counts of a cell of which the share `SHARE` is not zero."""
    low, high = 10.0, 1e6
    for _ in range(40):
        depth = float(np.sqrt(low * high))
        found = 1 - ((1 + depth * level / 2) ** -2).mean()
        low, high = (depth, high) if found < SHARE else (low, depth)
    return depth


def blocks_of(n: int, genes: int) -> Iterator[tuple[Any, np.ndarray, int]]:
    """Counts, arms and day of some cells at a time, n in all."""
    rng = np.random.default_rng(1)
    each = -(-n // len(DAYS))
    for day, (counts, arm) in zip(DAYS, drawn(min(each, DISTINCT), genes), strict=True):
        left = min(each, n - DAYS.index(day) * each)
        while left > 0:
            rows = rng.permutation(len(arm))[:left]
            m = len(rows)
            more = np.ones(m, np.float32), rng.integers(0, genes, m), np.arange(m + 1)
            one = sparse.csr_matrix(more, (m, genes))
            block = (counts[rows] + one).tocsr()
            block.sort_indices()
            yield block, arm[rows], day
            left -= len(rows)


def write(path: Path, n: int, genes: int) -> None:
    """Write n cells, a block at a time, as an .h5ad or a .zarr."""
    import h5py
    import pandas as pd
    import zarr
    from anndata.io import write_elem

    root = h5py.File(path, "w") if path.suffix == ".h5ad" else zarr.open_group(path, mode="w")
    root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    X = root.create_group("X")
    X.attrs.update(
        {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n, genes]}
    )
    arrays = {"data": np.float32, "indices": np.int32}
    for name, dtype in arrays.items():
        how: dict[str, Any] = {"shape": (0,), "dtype": dtype, "chunks": (1 << 18,)}
        if path.suffix == ".h5ad":
            X.create_dataset(name, maxshape=(None,), **how)
        else:
            X.create_array(name, **how)
    ends, arms, days = [np.zeros(1, np.int64)], [], []
    for block, arm, day in blocks_of(n, genes):
        start = int(ends[-1][-1])
        for name in arrays:
            X[name].resize((start + block.nnz,))
            X[name][start:] = getattr(block, name)
        ends.append(start + block.indptr[1:].astype(np.int64))
        arms.append(arm)
        days.append(np.full(len(arm), day))
    write_elem(X, "indptr", np.concatenate(ends))
    obs = {"day": np.concatenate(days), "cell_type": np.array(list("ABCD"))[np.concatenate(arms)]}
    write_elem(root, "obs", pd.DataFrame(obs, index=[f"c{k}" for k in range(n)]))
    write_elem(root, "var", pd.DataFrame(index=[f"g{k:05d}" for k in range(genes)]))
    for name in ("obsm", "layers", "uns", "obsp", "varm", "varp"):
        write_elem(root, name, {})
    if path.suffix == ".h5ad":
        root.close()


def main() -> None:
    """Print a row of the table for every size and command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--format", choices=("h5ad", "zarr"), default="h5ad")
    parser.add_argument("--folder", type=Path, help="where the files are made")
    parser.add_argument("--commands", choices=list(COMMANDS), nargs="+", default=list(COMMANDS))
    asked = parser.parse_args()
    print("| cells | file | command | CPU s | wall s | MB |\n|---|---|---|---|---|---|", flush=True)
    for n in asked.sizes:
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            folder = Path(name)
            if shutil.disk_usage(folder).free < 16 * SHARE * n * asked.genes:
                raise SystemExit(f"too little space in {folder} for {n:,} cells")
            data = folder / f"counts.{asked.format}"
            write(data, n, asked.genes)
            for command in asked.commands:
                words = COMMANDS[command].format(data=data).split()
                cost = measured(*words, folder=folder)
                spent = f"{cost.cpu:.1f} | {cost.wall:.1f} | {cost.peak:,.0f}"
                print(f"| {n:,} | .{asked.format} | {command} | {spent} |", flush=True)


if __name__ == "__main__":
    main()
