"""The Jacobian where the truth is known: `python tests/bench/jacobian.py` writes JACOBIAN.md.

Two genes, a and b, and four that do nothing. Cells start anywhere and follow dx/dt = A x for three
days; each day is another draw of cells. Four kinds of A: the genes lower each other alike; b alone
acts on a; each acts on the other with the opposite sign, so that cells turn; and a hidden gene acts
on both. Then the command on real data (with ../shared/data): seconds, memory, and its largest pair.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from measuring import measured
from scipy.linalg import expm

import cellam
from cellam.analysis.jacobian import Jacobian, jacobian

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
TABLE = Path(__file__).with_name("JACOBIAN.md")
DRAWS = 10
IDLE = 4  # genes that do nothing
# What acts on a, on b, and on the hidden gene: a row each.
SYSTEMS = {
    "mutual": np.array([[0.2, -0.3, 0.0], [-0.3, 0.1, 0.0], [0.0, 0.0, 0.0]]),
    "one way": np.array([[-0.1, 0.6, 0.0], [0.0, -0.1, 0.0], [0.0, 0.0, 0.0]]),
    "turning": np.array([[0.0, 0.5, 0.0], [-0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]),
    "same cause": np.array([[0.0, 0.0, 0.6], [0.0, 0.0, 0.6], [0.0, 0.0, 0.0]]),
}
TOLD = {
    "mutual": "they lower each other alike",
    "one way": "b raises a",
    "turning": "b raises a, a lowers b",
    "same cause": "a hidden gene raises both",
}
REAL = {
    "klein_mesc_counts.h5ad": ("Pou5f1", "Krt8", "Krt18"),
    "larry_clones_781.h5ad": ("Gata2", "Gata1", "Elane", "Mpo"),
}


def linear_course(system: np.ndarray, rng: np.random.Generator, n: int = 250) -> anndata.AnnData:
    """Scaled expression of four days of n cells each, by the matrix of `SYSTEMS`."""
    day = np.repeat(np.arange(4.0), n)
    start = rng.standard_normal((len(day), 3))
    active = np.einsum("nij,nj->ni", np.stack([expm(system * t) for t in day]), start)
    x = np.c_[active[:, :2], 0.3 * rng.standard_normal((len(day), IDLE))]
    names = pd.Index(["a", "b", *(f"idle{k}" for k in range(IDLE))])
    obs = pd.DataFrame({"day": day}, index=np.arange(len(day)).astype(str))
    return anndata.AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=names))


def found_in(system: np.ndarray, seed: int) -> Jacobian:
    """What a fit without growth says of the two genes."""
    data = linear_course(system, np.random.default_rng(seed))
    cells = cellam.read(data, values="scaled")
    return jacobian(cellam.fit(cells, method="am", n_pcs=len(data.var) - 1), ["a", "b"])


def known() -> list[str]:
    """Rows of the table of what is known."""
    lines = [
        "| genes | | b on a | a on b | effect of the pair (sd) | a on itself | found (sd) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, system in SYSTEMS.items():
        pairs = [found_in(system, seed).matrix() for seed in range(DRAWS)]
        between, own = ([J.loc["a", other] for J in pairs] for other in ("b", "a"))
        lines.append(
            f"| {name} | {TOLD[name]} | {system[0, 1]:+.1f} | {system[1, 0]:+.1f} | "
            f"{np.mean(between):+.2f} ({np.std(between, ddof=1):.2f}) | {system[0, 0]:+.1f} | "
            f"{np.mean(own):+.2f} ({np.std(own, ddof=1):.2f}) |"
        )
    return lines


def real() -> list[str]:
    """Rows of the table of real data."""
    lines = [
        "| data | genes | largest pair, per day | same sign | above | CPU s | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for file, genes in REAL.items():
        with tempfile.TemporaryDirectory() as folder:
            fit = ("--time-key", "day", "--no-report", "--out", folder, "--name", "run")
            measured("fit", SHARED / file, *fit)
            words = [word for gene in genes for word in ("-g", gene)]
            cost = measured("jacobian", *words, "--json", "--run", Path(folder) / "run")
        first = json.loads(cost.out)["pairs"][0]
        lines.append(
            f"| {file} | {', '.join(genes)} | {first['gene']}, {first['other']}: "
            f"{first['effect']:+.3f} | {100 * first['same_sign']:.0f} % | "
            f"{100 * first['above']:.0f} % | {cost.cpu:.1f} | {cost.peak:,.0f} |"
        )
    return lines


def main() -> None:
    """Write the tables."""
    parts = [
        "# The Jacobian of the velocity\n\nWritten by `python tests/bench/jacobian.py`.",
        f"## Where the truth is known\n\n{DRAWS} draws of four days of 250 cells; per day.",
        "\n".join(known()),
    ]
    if SHARED.exists():
        parts += ["## Real data\n\nDefaults; all cells; one thread.", "\n".join(real())]
    TABLE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
