"""The demo data: populations of `cellam.toys.Branching` with genes and counts.

`python -m cellam.demo PATH` writes the demo to a file, always the same bytes, and
`python -m cellam.demo PATH drug` an experiment with a drug and a vehicle.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cellam.experiments import Experiment
from cellam.storage import atomic_path, writing
from cellam.toys import Branching, sigmoid

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]

DEMO_SEED = 7
DRUG = 2.5  # how often the cells of the arm divide that the drug makes divide, for once without it
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


def _log_rates(z: Array, birth: Array, death: Array, rng: Generator) -> tuple[list[str], Array]:
    """Names of 300 genes, and their log expression up to a constant of the cell, (N, 300)."""
    x, y = z[:, 0], z[:, 1]
    follows = {
        "birth": 1.6 + np.log(0.02 + birth),
        "death": 1.2 + np.log(0.02 + death),
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
    return _log_rates(z, truth.birth(0.0, z), truth.death(0.0, z), rng)


def _counts(log_rates: Array, rng: Generator) -> NDArray[np.int64]:
    """Counts of genes with these log rates (N, G): Poisson of a gamma."""
    p = np.exp(log_rates) / np.exp(log_rates).sum(1, keepdims=True)  # (N, G)
    library = 900 * np.exp(0.35 * rng.standard_normal((len(p), 1)))
    theta = 4 * np.exp(0.5 * rng.standard_normal(p.shape[1]))
    return np.asarray(rng.poisson(library * p * rng.gamma(theta, 1 / theta, p.shape)))


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

    genes, log_rates = _log_rates(z, truth.birth(0.0, z), truth.death(0.0, z), rng)
    counts = _counts(log_rates, rng)

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


def drug() -> AnnData:
    """Make data of two conditions: a drug that makes the cells of one arm divide more often.

    Four mice are given the drug and four the vehicle; of each, 60 cells are measured on each of
    four days, with the genes of `demo`. Mice differ, as in `cellam.experiments.Experiment`.

    Returns
    -------
    AnnData
        Counts in `X` (csr, float32), and `obs`: day, treatment, mouse, cell_type.
    """
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(DEMO_SEED)
    experiment = Experiment(treated=Branching(step=0.1, boost=DRUG), n_samples=(4, 4), n_cells=60)
    z, obs = experiment.simulate(rng)
    z, treated = z.round(4), (obs["treatment"] == "treated").to_numpy()
    birth = np.where(treated, *(each.birth(0.0, z) for each in (experiment.treated, Branching())))
    genes, log_rates = _log_rates(z, birth, Branching().death(0.0, z), rng)
    days = [f"day{t:g}" for t in experiment.days]
    told = pd.DataFrame(
        {
            "day": pd.Categorical([f"day{t:g}" for t in obs["day"]], days),
            "treatment": pd.Categorical(np.where(treated, "drug", "vehicle"), ["vehicle", "drug"]),
            "mouse": pd.Categorical([f"mouse {name}" for name in obs["sample"]]),
            "cell_type": obs["cell_type"],
        },
        index=obs.index,
    )
    return AnnData(
        csr_matrix(_counts(log_rates, rng).astype(np.float32)),
        obs=told,
        var=pd.DataFrame(index=genes),
        obsm={"X_latent": z.astype(np.float32)},
        uns={"source": f"Simulated by cellam.demo with seed {DEMO_SEED}; not real cells."},
    )


MADE = {"demo": demo, "drug": drug}


def write_demo(path: str | Path, which: str = "demo") -> None:
    """Write one of the data sets to an .h5ad, whole or not at all; the same bytes on one machine.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path, adata = Path(path), MADE[which]()
    with writing(path), atomic_path(path) as new:
        adata.write_h5ad(new, compression="gzip", compression_opts=9)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], *([name] for name in MADE)):
        raise SystemExit(f"Usage: python -m cellam.demo PATH [{'|'.join(MADE)}]")
    write_demo(*sys.argv[1:])
