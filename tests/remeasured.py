"""The demo population, measured anew."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

import cellam
from cellam.demo import DEMO_DAYS
from cellam.reading.cells import Cells
from cellam.toys import Branching


def measured(seed: int, *, times: float = 1) -> Cells:
    """The demo population, measured anew: other cells, as many as in the demo or `times` that."""
    days, sizes = zip(*DEMO_DAYS.values(), strict=True)
    n_cells = [round(times * n) for n in sizes]
    rng = np.random.default_rng([seed, 1])
    founders = round(8_000 * max(times, 0.25))
    z = [z_k for z_k, _ in Branching().simulate(days, n_cells, rng, founders=founders)]
    obs = pd.DataFrame({"day": np.repeat(list(DEMO_DAYS), n_cells)})
    obs.index = [f"cell{k}" for k in range(len(obs))]
    adata = AnnData(np.ones((len(obs), 1), np.float32), obs)
    adata.obsm["X_latent"] = np.concatenate(z).astype(np.float32)
    return cellam.read(adata, use_rep="X_latent")
