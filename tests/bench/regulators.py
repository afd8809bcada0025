"""Factors that lead: `python tests/bench/regulators.py` writes REGULATORS.md.

A fork of known truth: in each arm a factor is switched on before its targets, and with it a gene
that does nothing and has the same hidden cause. Each kind of gene is asked about in turn, as if its
genes were the factors. Then larry and klein (with ../shared/data), by the command itself, with the
factors of JASPAR (`pip install '.[factors]'`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from measuring import measured

import cellam
from cellam.analysis.drivers import drivers, quantity
from cellam.analysis.leads import leads, likeness
from cellam.analysis.regulators import compete, regulators
from cellam.reading.factors import read_factors
from cellam.toys import sigmoid

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
TABLE = Path(__file__).with_name("REGULATORS.md")
DRAWS = 20
LABELLINGS = 100  # of factors by chance, in each draw
QUICK = {"tau": 1.0, "curvature": 1.0, "n_features": 200}
EARLY, MIDDLE, LATE = 0.5, 1.6, 2.4  # progress at which genes are switched on
NUMBERS = {"target": 20, "late target": 5, "fading marker": 5}  # in each arm
TOLD = {
    "factor": "switched on in its arm before the targets",
    "same cause": "switched on with the factor, and does nothing",
    "target": "switched on later",
    "late target": "switched on last",
    "fading marker": "as a target, but the data hold half of it each day",
    "course": "changes along the course, in both arms",
    "flat": "does not change",
}


def genes_of_a_fork(
    rng: np.random.Generator, *, n_cells: int = 300, flat: int = 300, course: int = 40
) -> anndata.AnnData:
    """Counts of four days of a fork into A and B; `var["kind"]` is what a gene is (see `TOLD`)."""
    day = np.repeat(np.arange(4.0), n_cells)
    progress = day - 0.2 + 0.6 * rng.standard_normal(len(day))
    in_a = rng.random(len(day)) < 0.5

    def on(at: float) -> np.ndarray:
        return np.asarray(sigmoid((progress - at) / 0.15))

    means, kinds = [], []
    for arm in (in_a, ~in_a):
        for kind in ("factor", "same cause"):
            means.append(0.1 + 3 * on(EARLY) * arm)
            kinds.append(kind)
        for kind, number in NUMBERS.items():
            for _ in range(number):
                at = LATE if kind == "late target" else MIDDLE + 0.2 * rng.random()
                seen = 0.5**day if kind == "fading marker" else 1.0
                means.append((0.1 + rng.lognormal(1, 0.6) * on(at) * arm) * seen)
                kinds.append(kind)
    for k in range(course):
        turned = on(rng.uniform(0, 3))
        means.append(0.1 + rng.lognormal(0.5, 0.7) * (turned if k % 2 else 1 - turned))
        kinds.append("course")
    for _ in range(flat):
        means.append(np.full(len(day), rng.lognormal(-0.5, 1)))
        kinds.append("flat")
    depth = rng.lognormal(0, 0.2, len(day))[:, None]
    counts = rng.poisson(np.stack(means, 1) * depth).astype(np.float32)
    names = pd.Index([f"g{k}" for k in range(len(kinds))])
    cells = pd.Index([f"c{k}" for k in range(len(day))])
    return anndata.AnnData(
        counts,
        obs=pd.DataFrame({"day": day, "arm": np.where(in_a, "A", "B")}, index=cells),
        var=pd.DataFrame({"kind": kinds}, index=names),
    )


def asked(adata: anndata.AnnData, **options: object) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Genes, their leads towards arm A, and the number of cells these are of."""
    cells = cellam.read(adata)
    model = cellam.fit(cells, **options)
    types = adata.obs["arm"]
    y, keep = quantity(model, "fate:A", types)
    found = leads(model, cells, likeness(model, types, "A"), keep)
    return drivers(cells, y, keep), found.table, int(keep.sum())


def _simulated() -> Iterator[str]:
    rows, null = [], []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        adata = genes_of_a_fork(rng)
        genes, found, n = asked(adata, **QUICK)
        kind = adata.var["kind"]
        for name in TOLD:
            some = list(kind.index[kind == name])
            if name == "flat":
                some = some[:50]
            of = regulators(genes, found, read_factors(some), cells=n, gaps=3).table
            rows += [{"kind": name, **row} for row in of.to_dict("records")]
        frame = genes.merge(found, on="gene").dropna()
        expressed = frame[["mean", "share_of_cells"]].to_numpy()
        for _ in range(LABELLINGS):
            ours = np.zeros(len(frame), dtype=bool)
            ours[rng.choice(len(frame), 40, replace=False)] = True
            null.append(compete(frame["lead"].to_numpy(), expressed, ours)[1])
    yield "| gene | | lead (sd) | p < 0.05 | q < 0.05 |\n|---|---|---|---|---|"
    table = pd.DataFrame(rows)
    for name, what in TOLD.items():
        of = table[table["kind"] == name]
        lead = f"{of['lead'].mean():+.3f} ({of['lead'].std():.3f})"
        small = [f"{100 * (of[c] < 0.05).mean():.0f} %" for c in ("p_value", "q_value")]
        yield f"| {name} | {what} | {lead} | {small[0]} | {small[1]} |"
    p = np.concatenate(null)
    yield (
        f"With 40 genes drawn as factors by chance ({DRAWS} draws of cells, {LABELLINGS} "
        f"labellings each) {100 * (p < 0.05).mean():.1f} % of p-values are below 0.05, and "
        f"{100 * (p < 0.01).mean():.1f} % below 0.01."
    )


def _real(name: str, file: Path, questions: list[str], *options: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        measured("fit", file, "--out", folder, "--name", name, "--no-report", *options)
        run = Path(folder) / name
        for of in questions:
            cost = measured("drivers", "--of", of, "--tf", "mouse", "--json", "--run", run)
            told = json.loads(cost.out)["regulators"]
            yield (
                f"### {name}, {of}\n\n{told['factors']} factors expressed, {told['others']} other "
                f"genes, {told['leading']} factors with q < 0.05; {cost.cpu:.0f} s of CPU time, "
                f"{cost.peak / 1e3:.2f} GB."
            )
            yield "| factor | before | after | lead | above | p | q |\n" + 7 * "|---" + "|"
            for row in told["table"]:
                yield (
                    f"| {row['gene']} | {row['before']:+.3f} | {row['after']:+.3f} | "
                    f"{row['lead']:+.3f} | {100 * row['above']:.1f} % | {row['p_value']:.3g} | "
                    f"{row['q_value']:.3g} |"
                )


def _klein(folder: Path) -> Path:
    """With states by markers, as in the guide."""
    import scanpy as sc

    adata = anndata.read_h5ad(SHARED / "klein_mesc_counts.h5ad")
    logged = sc.pp.log1p(sc.pp.normalize_total(adata, copy=True), copy=True)
    markers = {
        "pluripotent": ["Zfp42", "Esrrb", "Tdh", "Dppa5a", "Sox2"],
        "epithelial": ["Krt8", "Krt18", "Krt19", "Anxa2", "S100a6"],
        "endoderm": ["Col4a1", "Col4a2", "Sparc", "Serpinh1"],
    }
    for state, genes in markers.items():
        sc.tl.score_genes(logged, genes, score_name=state)
    scores = logged.obs[list(markers)]
    adata.obs["state"] = ((scores - scores.mean()) / scores.std()).idxmax(axis=1)
    adata.write_h5ad(folder / "klein.h5ad")
    return folder / "klein.h5ad"


def main() -> None:
    """Write REGULATORS.md."""
    lines = ["# Factors that lead", "Written by `python tests/bench/regulators.py`."]
    lines += [
        f"## A fork of known truth\n\n{DRAWS} draws of four days of 300 cells; fate A. Each kind "
        "of gene is asked about in turn, against all other genes.",
        *_simulated(),
    ]
    if SHARED.is_dir():
        fates = ["fate:Neutrophil", "fate:Monocyte", "fate:Mast", "fate:Baso", "growth"]
        lines += ["## Real data", *_real("larry", SHARED / "larry_clones_781.h5ad", fates)]
        with tempfile.TemporaryDirectory() as folder:
            file = _klein(Path(folder))
            lines += _real("klein", file, ["fate:epithelial", "growth"], "--time-key", "timepoint")
    TABLE.write_text("\n\n".join(lines).replace("|\n\n| ", "|\n| ") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
