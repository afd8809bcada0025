"""The demo data: the population of `cellam.toys.Branching` with genes and counts.

`python -m cellam.demo PATH` writes them to a file, always the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cellam.storage import atomic_path, writing
from cellam.toys import Branching, sigmoid

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

DEMO_SEED = 7
DEMO_DAYS = {"day0": (0.0, 700), "day2": (2.0, 900), "day4": (4.0, 800), "day7": (7.0, 600)}
# Mouse genes of the demo, by what they follow: birth, death, or a place on the fork.
GENES = {
    "birth": "Mki67 Top2a Pcna Mcm2 Mcm3 Mcm4 Mcm5 Mcm6 Mcm7 Tyms Rrm1 Rrm2 Cdk1 Ccnb1 Ccnb2 "
    "Ccna2 Cdc20 Birc5 Aurka Aurkb Bub1 Tpx2 Hells Gins2 Uhrf1 Cenpf",
    "death": "Bax Casp3 Fas Trp53 Bak1 Bbc3 Pmaip1 Bid Bad Casp8 Casp9 Apaf1 Bcl2l11 Dffa Ripk3",
    "progenitor": "Kit Cd34 Flt3 Gata2 Meis1 Hoxa9 Mecom Hlf Ly6a Procr Myb Runx1t1",
    "erythroid": "Gata1 Klf1 Hba-a1 Hba-a2 Hbb-bs Epor Car1 Car2 Tfrc Alas2 Gypa Nfe2",
    "myeloid": "Elane Mpo Prtn3 Ctsg Cebpa Cebpe Csf3r Lyz2 Ly6c2 S100a8 S100a9 Gfi1",
}


def _log_rates(truth: Branching, z: Array, rng: Generator) -> tuple[list[str], Array]:
    """Names of 300 genes, and their log expression up to a constant of the cell, (N, 300)."""
    x, y = z[:, 0], z[:, 1]
    follows = {
        "birth": 1.6 + np.log(0.02 + truth.birth(0.0, z)),
        "death": 1.2 + np.log(0.02 + truth.death(0.0, z)),
        "progenitor": 0.8 + np.log(0.03 + sigmoid((-0.6 - x) / 0.3)),
        "erythroid": 0.8 + np.log(0.03 + sigmoid((y - 0.7) / 0.3)),
        "myeloid": 0.8 + np.log(0.03 + sigmoid((-y - 0.7) / 0.3)),
    }
    named = {name: follows[place] for place, line in GENES.items() for name in line.split()}
    n_waves = (300 - len(named)) // 2  # smooth in z, of no special place; the rest are flat
    waves = np.cos(z @ rng.normal(0.0, 0.6, (2, n_waves)) + rng.uniform(0, 2 * np.pi, n_waves))
    flat = np.zeros((len(z), 300 - len(named) - n_waves))
    names = [*named, *(f"Gene{k:03d}" for k in range(1, 301 - len(named)))]
    log_rates: Array = np.column_stack([*named.values(), 0.7 * waves, flat])
    return names, log_rates + rng.normal(0.0, 0.8, 300)


def demo_log_expression(z: Array) -> tuple[list[str], Array]:
    """Genes of the demo data, and their log expression up to a constant of the cell, at z (N, 2).

    The truth behind the counts: the share of a gene is exp of it, divided by the sum over genes.
    """
    rng, truth = np.random.default_rng(DEMO_SEED), Branching()
    days, n_cells = zip(*DEMO_DAYS.values(), strict=True)
    truth.simulate(days, n_cells, rng)  # the genes are drawn after the cells
    return _log_rates(truth, z, rng)


def demo() -> AnnData:
    """Make the demo data: 3,000 cells of `Branching` on four days, 300 genes, raw counts.

    A count is Poisson(Gamma with shape θ and mean l p), so negative binomial: l the cell's
    library size, log-normal about 900; p the gene's share, smooth in z; θ the gene's own.

    Returns
    -------
    AnnData
        Counts in `X` (csr, float32), `obs["day"]` and `obs["cell_type"]`, the true positions in
        `obsm["X_latent"]`, and a line on the source in `uns["source"]`.

    Examples
    --------
    >>> demo().shape
    (3000, 300)
    """
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    rng, truth = np.random.default_rng(DEMO_SEED), Branching()
    days, n_cells = zip(*DEMO_DAYS.values(), strict=True)
    z = np.concatenate([z_k for z_k, _ in truth.simulate(days, n_cells, rng)]).round(4)

    genes, log_rates = _log_rates(truth, z, rng)
    p = np.exp(log_rates) / np.exp(log_rates).sum(1, keepdims=True)  # (N, G)
    library = 900 * np.exp(0.35 * rng.standard_normal((len(z), 1)))
    theta = 4 * np.exp(0.5 * rng.standard_normal(len(genes)))
    counts = rng.poisson(library * p * rng.gamma(theta, 1 / theta, p.shape))

    types = ["progenitor", "intermediate", *truth.fates]
    obs = {
        "day": pd.Categorical(np.repeat(list(DEMO_DAYS), n_cells), list(DEMO_DAYS)),
        "cell_type": pd.Categorical(truth.cell_type(z), types),
    }
    return AnnData(
        csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(obs, index=[f"cell{k:04d}" for k in range(1, len(z) + 1)]),
        var=pd.DataFrame(index=genes),
        obsm={"X_latent": z.astype(np.float32)},
        uns={"source": f"Simulated by cellam.toys.demo with seed {DEMO_SEED}; not real cells."},
    )


def write_demo(path: str | Path) -> None:
    """Write the demo data to an .h5ad, whole or not at all; the same bytes on one machine.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path, adata = Path(path), demo()
    with writing(path), atomic_path(path) as new:
        adata.write_h5ad(new, compression="gzip", compression_opts=9)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python -m cellam.demo PATH")
    write_demo(sys.argv[1])
