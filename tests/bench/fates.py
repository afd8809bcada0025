"""Fates of the demo data against the truth of its simulator: `python tests/bench/fates.py`.

The truth of a cell is its share of living descendants in each arm, from 256 simulated ways. Each
contender of `cellam validate` predicts it from the same 20 components: mean absolute and root mean
square error, and calibration by ten bins of the predicted probability.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

import cellam
from cellam.analysis.assignment import reference_of
from cellam.analysis.fates import probabilities
from cellam.evaluation.clones import CONTENDERS
from cellam.modelling.model import Model
from cellam.toys import Branching

DEMO = Path(__file__).parents[2] / "data" / "demo.h5ad"


def truth(model: Model, latent: np.ndarray, label: str) -> np.ndarray:
    """Share of the living descendants of each cell of a day that end in the erythroid arm."""
    k = model.snapshots.index(label)
    time, z = model.snapshots.times[k], latent[model.snapshots.rows[k]].astype(float)
    return Branching().fate(time, z, np.random.default_rng(0), n_paths=256)[:, 0]


def predicted(model: Model, types: pd.Series, label: str) -> dict[str, np.ndarray]:
    """The same, as each contender has it."""
    end = model.snapshots.labels[-1]
    states = reference_of(model, end, types)
    at = states.names.index("erythroid")
    return {
        name: probabilities(contender(model, label, end, types), states.memberships())[:, at]
        for name, (contender, _) in CONTENDERS.items()
    }


def reliability(p: np.ndarray, true: np.ndarray) -> list[tuple[int, float, float]]:
    """Cells, mean prediction and mean truth in each of ten bins that hold any."""
    of = np.minimum((10 * p).astype(int), 9)
    return [((of == b).sum(), p[of == b].mean(), true[of == b].mean()) for b in np.unique(of)]


def main() -> None:
    """Print a table for each day, and the reliability of ours."""
    adata = anndata.read_h5ad(DEMO)
    options = dict(pair.split("=") for pair in sys.argv[1:])
    model = cellam.fit(cellam.read(adata), **options)
    for label in model.snapshots.labels[:-1]:
        true = truth(model, adata.obsm["X_latent"], label)
        print(f"\n{label}, {len(true)} cells, truth {true.mean():.3f}")
        for name, p in predicted(model, adata.obs["cell_type"], label).items():
            bins = reliability(p, true)
            off = sum(n * abs(a - b) for n, a, b in bins) / len(p)
            root = ((p - true) ** 2).mean() ** 0.5
            print(
                f"{name:<8} mean {p.mean():.3f}  MAE {np.abs(p - true).mean():.4f}  RMSE "
                f"{root:.4f}  calibration error {off:.4f}"
            )
            if name == "cellam":
                print("  " + "  ".join(f"{a:.2f}: {b:.2f} ({n})" for n, a, b in bins))


if __name__ == "__main__":
    main()
