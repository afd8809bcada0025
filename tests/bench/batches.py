"""Batches: what they do to velocity and growth where the truth is known, corrected or not.

    python tests/bench/batches.py [--write]

Cells of `toys.Branching`, 400 on each of four days, with the genes of the demo. Two batches differ
by a shift of the log rates of all genes, of the length of the largest standard deviation of the
coordinates. Designs: `balanced`, half of each day; `drift`, shares of batch b from .2 to .8 over
the days; `kinds`, b with .2 of the cells below the fork's middle and .8 of those above; `both`;
`pairs`, b on the last two days alone, and a on the first two.

Three numbers for each, the mean over seeds: the relative error of the velocity of the cells, in
genes, compared with the same fit to the same cells without batches; the root mean square error of
growth per day, compared with the truth (both less their mean by day); false growth by batch: how
much more the cells of b grow than those of a, per day, less what is true (its size on a draw). The
row of counts drawn again shows how near any fit comes: it has no batches, and other counts of the
same cells.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy as sc
from scipy import sparse

import cellam
from cellam.demo import demo_log_expression
from cellam.modelling.observed import growth_rates, velocities
from cellam.toys import Branching

warnings.filterwarnings("ignore")
DAYS = (0.0, 2.0, 4.0, 7.0)
N = 400  # cells of a day
SEEDS = (0, 1)
DESIGNS = ("balanced", "drift", "kinds", "both", "pairs")
METHODS = ("as it is", "--batch-key", "regress_out", "combat")
AGAIN = "no batches, counts drawn again"
PLACE = Path(__file__).with_name("BATCHES.md")


def shares(design: str, z: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Probability of batch b for every cell."""
    position = np.searchsorted(DAYS, day)
    if design == "pairs":
        return (position > 1).astype(float)
    over_days = 0.2 + 0.2 * position if design in ("drift", "both") else np.full(len(day), 0.5)
    by_kind = np.where(z[:, 1] > 0, 0.3, -0.3) if design in ("kinds", "both") else 0.0
    return np.clip(over_days + by_kind, 0.05, 0.95)


def simulate(
    design: str, seed: int, again: int = 0
) -> tuple[anndata.AnnData, anndata.AnnData, np.ndarray]:
    """Counts with batches, those of the same cells without, and the true growth."""
    truth, rng = Branching(), np.random.default_rng(seed)
    z = np.concatenate([x for x, _ in truth.simulate(DAYS, [N] * len(DAYS), rng)])
    day = np.repeat(DAYS, N)
    genes, log_rates = demo_log_expression(z)
    b = rng.random(len(z)) < shares(design, z, day)
    direction = rng.standard_normal(len(genes))
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(log_rates.T))[-1])
    shift = spread * direction / np.linalg.norm(direction)
    library = 900 * np.exp(0.35 * rng.standard_normal((len(z), 1)))
    gamma = rng.gamma(4.0, 0.25, log_rates.shape)
    found = []
    for rates in (log_rates + b[:, None] * shift, log_rates):
        p = np.exp(rates) / np.exp(rates).sum(1, keepdims=True)
        counts = np.random.default_rng((seed, again)).poisson(library * p * gamma)
        obs = pd.DataFrame({"day": day, "batch": np.where(b, "b", "a")})
        obs.index = [f"cell{k}" for k in range(len(z))]
        X = sparse.csr_matrix(counts.astype(np.float32))
        found.append(anndata.AnnData(X, obs=obs, var=pd.DataFrame(index=genes)))
    return found[0], found[1], truth.growth(0.0, z)


def corrected(adata: anndata.AnnData, method: str) -> cellam.Cells:
    """The cells as a fit takes them."""
    if method == "as it is":
        return cellam.read(adata, time_key="day")
    if method == "--batch-key":
        return cellam.read(adata, time_key="day", batch_key="batch")
    logged = adata.copy()
    logged.obs["batch"] = logged.obs["batch"].astype("category")
    sc.pp.normalize_total(logged)
    sc.pp.log1p(logged)
    logged.X = logged.X.toarray()
    if method == "regress_out":
        sc.pp.regress_out(logged, "batch")
    else:
        sc.pp.combat(logged, "batch")
    logged.X = np.asarray(logged.X, dtype=np.float32)
    return cellam.read(logged, time_key="day", values="scaled")


def of_genes(model: cellam.Model) -> np.ndarray:
    """Velocity of every cell in genes, per day."""
    v = model.snapshots.to_data_order(velocities(model)) * model.space.scale
    return v @ model.space.components


HOW = {"tau": 1.0, "curvature": 1.0, "n_pcs": 10, "n_features": 400, "seed": 0}


@cache
def without_batches(seed: int, again: int = 0) -> cellam.Model:
    """The fit to the same cells without batches, or to counts of them drawn again."""
    _, plain, _ = simulate("balanced", seed)
    if again:
        _, plain, _ = simulate("balanced", seed, again)
    return cellam.fit(cellam.read(plain, time_key="day"), **HOW)


def measure(design: str, method: str, seed: int) -> tuple[float, float, float] | None:
    """Error of velocity and of growth, and false growth by batch; None where it is not possible."""
    adata, _, growth = simulate(design, seed)
    try:
        model = (
            without_batches(seed, 1)
            if method == AGAIN
            else cellam.fit(corrected(adata, method), **HOW)
        )
    except (cellam.CellamError, np.linalg.LinAlgError, ValueError, ZeroDivisionError):
        return None
    v, w = of_genes(model), of_genes(without_batches(seed))
    rates = model.snapshots.to_data_order(growth_rates(model))
    day, b = adata.obs["day"].to_numpy(), (adata.obs["batch"] == "b").to_numpy()

    def centred(values: np.ndarray) -> np.ndarray:
        return values - pd.Series(values).groupby(day).transform("mean").to_numpy()

    off = centred(rates) - centred(growth)
    apart = [off[(day == d) & b].mean() - off[(day == d) & ~b].mean()
             for d in DAYS if 0 < b[day == d].mean() < 1]  # fmt: skip
    return (
        float(np.linalg.norm(v - w) / np.linalg.norm(w)),
        float(np.sqrt((off**2).mean())),
        float(np.mean(apart)) if apart else float("nan"),
    )


def table() -> str:
    lines = ["| design | | velocity | growth | false growth by batch |", "|---|---|---|---|---|"]
    for design in DESIGNS:
        for method in (*[AGAIN] * (design == "drift"), *METHODS):
            found = [measure(design, method, seed) for seed in SEEDS]
            known = [row for row in found if row is not None]
            if not known:
                lines.append(f"| {design} | {method} | refused | | |")
            else:
                v, g, by_batch = np.mean(known, axis=0)
                # How far from 0 on a draw, and not their mean, in which signs would cancel.
                by_batch = np.mean(np.abs([row[2] for row in known]))
                lines.append(f"| {design} | {method} | {v:.2f} | {g:.3f} | {by_batch:.3f} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    text = table()
    if "--write" in sys.argv:
        said = (__doc__ or "").split("\n\n", 2)
        PLACE.write_text(f"# {said[0].strip()}\n\n{said[2].strip()}\n\n{text}\n")
