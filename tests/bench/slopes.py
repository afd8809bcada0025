"""Cost against days, components, genes and cell types: `python tests/bench/slopes.py [WHAT …]`.

One of them is varied at a time, each doubled three times, and each command runs in a process of its
own. Days have 300 cells each; otherwise there are 6,000 cells on six days, 20 components and eight
types. Ready coordinates are clouds that move apart, counts those of `counts.py`. A slope is that of
the logarithm of CPU seconds, or of peak memory, against the logarithm of what is varied, by least
squares; imports and all else that does not grow are in it, so that of the last doubling is printed
beside it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import counts
import numpy as np
from measuring import measured

if TYPE_CHECKING:
    from anndata import AnnData

COMMANDS = {
    "fit": "fit {data} --no-report --threads 1",
    "simulate": "simulate --from {second} --genes none",
    "fates": "fates",
    "eval": "eval --holdout {second} --no-report",
}
BASE = {"days": 6, "components": 20, "types": 8}
VARIED = {
    "days": (10, 20, 40, 80),
    "components": (5, 10, 20, 40),
    "types": (4, 8, 16, 32),
    "genes": (5_000, 10_000, 20_000, 40_000),
}
CELLS, A_DAY = 6_000, 300


def clouds(days: int, components: int, types: int, n_cells: int) -> AnnData:
    """Cells of types that move apart, as many of each day, in ready coordinates."""
    import anndata
    import pandas as pd
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(days), n_cells // days)
    kind = rng.integers(types, size=len(day))
    ways = rng.standard_normal((types, components))
    ways *= 4 / np.linalg.norm(ways, axis=1, keepdims=True)
    x = rng.standard_normal((len(day), components)) + (day / days)[:, None] * ways[kind]
    obs = pd.DataFrame(
        {"day": day, "cell_type": pd.Categorical.from_codes(kind, [f"T{k}" for k in range(types)])},
        index=np.arange(len(day)).astype(str),
    )
    empty = csr_matrix((len(day), 1), dtype=np.float32)
    return anndata.AnnData(empty, obs=obs, obsm={"X_pca": x.astype(np.float32)})


def make(what: str, size: int, folder: Path) -> tuple[Path, str]:
    """Write the data, and say what the fit needs besides."""
    data = folder / "cells.h5ad"
    if what == "genes":
        counts.write(data, CELLS, size)
        return data, ""
    of = BASE | {what: size}
    clouds(**of, n_cells=A_DAY * size if what == "days" else CELLS).write_h5ad(data)
    return data, " --use-rep X_pca"


def cost(what: str, size: int) -> Iterator[tuple[str, float, float]]:
    """CPU seconds and peak MB of each command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, more = make(what, size, folder)
        for command, text in COMMANDS.items():
            words = text.format(data=data, second=2 if what == "genes" else 1)
            words += more if command == "fit" else ""
            spent = measured(*words.split(), folder=folder)
            yield command, spent.cpu, spent.peak


def main() -> None:
    """Print the rows of each, and their slopes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("what", nargs="*", metavar="WHAT", help=", ".join(VARIED))
    for what in parser.parse_args().what or VARIED:
        found: dict[str, list[tuple[float, float]]] = {command: [] for command in COMMANDS}
        sizes = VARIED[what]
        print(f"| {what} | {' | '.join(f'{c}: CPU s, MB' for c in COMMANDS)} |")
        print("|---" * (1 + len(COMMANDS)) + "|", flush=True)
        for size in sizes:
            for command, cpu, peak in cost(what, size):
                found[command].append((cpu, peak))
            cells = [f"{cpu:.1f}, {peak:,.0f}" for cpu, peak in (v[-1] for v in found.values())]
            print(f"| {size:,} | {' | '.join(cells)} |", flush=True)
        logs = {command: np.log2(np.array(values)) for command, values in found.items()}
        for label, rows in (("slope", slice(None)), ("of the last doubling", slice(-2, None))):
            slopes = [
                np.polyfit(np.log2(sizes[rows]), values[rows], 1)[0] for values in logs.values()
            ]
            print(f"| {label} | {' | '.join(f'{a:.2f}, {b:.2f}' for a, b in slopes)} |")
        print(flush=True)


if __name__ == "__main__":
    main()
