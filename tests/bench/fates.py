"""Fates against the truth: `python tests/bench/fates.py DRAWS.jsonl` writes FATES.md.

DRAWS.jsonl is what `populations.py` prints. Besides those populations there are the demo, where
the truth of a cell is its share of living descendants in each arm from 256 simulated ways, and
larry, where it is the share of its sisters (with ../shared/data).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

import cellam
from cellam.analysis.assignment import reference_of
from cellam.analysis.fates import predict_fates
from cellam.analysis.weighing import probabilities
from cellam.evaluation.calibration import calibrate
from cellam.evaluation.clones import CONTENDERS, validate
from cellam.evaluation.reliability import calibration_error, reliability
from cellam.modelling.model import Model
from cellam.toys import Branching

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo.h5ad"
LARRY = ROOT.parent / "shared" / "data" / "larry_clones_781.h5ad"
TABLE = Path(__file__).with_name("FATES.md")


def truth(model: Model, latent: np.ndarray, label: str) -> np.ndarray:
    """Share of the living descendants of each cell of a day that end in the erythroid arm."""
    k = model.snapshots.index(label)
    time, z = model.snapshots.times[k], latent[model.snapshots.rows[k]].astype(float)
    return Branching().fate(time, z, np.random.default_rng(0), n_paths=256)[:, 0]


def predicted(model: Model, types: pd.Series, label: str) -> dict[str, np.ndarray]:
    """The same, as each contender of `cellam validate` has it."""
    end = model.snapshots.labels[-1]
    states = reference_of(model, end, types)
    at = states.names.index("erythroid")
    return {
        name: probabilities(contender(model, label, end, types), states.memberships())[:, at]
        for name, (contender, _) in CONTENDERS.items()
    }


def _populations(draws: pd.DataFrame) -> Iterator[str]:
    yield "## Populations of known truth"
    yield (
        "Draws of 150, 250 and 400 cells a day; defaults. Growth: draws in which the "
        "true rate of every state lies in its range, median width of the widest range of a state "
        "of the last day, and median of the largest error of the fit, per day. Fates of the first "
        "day: Brier score of the truth, and what each has more (mean over draws); share of cells "
        "whose true probability lies in its range; draws in which the fate of the whole day does, "
        "of those with fates."
    )
    yield (
        "| population | growth in range | width | error | least Brier | cellam | mean fate | "
        "nearest | cells in range | mean fate in range |\n|" + "---|" * 10
    )
    for name, of in draws.groupby("population", sort=False):
        n, median = len(of), of.median(numeric_only=True)
        with_fates = of[of["least"].notna()]
        mean = with_fates.mean(numeric_only=True)
        fates = (
            [f"{mean[c]:.3f}" for c in ("least", "ours", "mean", "nearest")]
            + [f"{100 * mean['cells_inside']:.0f} %"]
            + [f"{with_fates['means_inside'].sum()}/{len(with_fates)}"]
            if len(with_fates)
            else ["–"] * 6
        )
        growth = [
            f"{of['growth_inside'].sum()}/{n}",
            f"{median['growth_width']:.2f}",
            f"{median['growth_error']:.2f}",
        ]
        yield "| " + " | ".join([str(name), *growth, *fates]) + " |"


def _bins(name: str, table: pd.DataFrame) -> Iterator[str]:
    """A reliability table."""
    yield f"### {name}: off by {100 * calibration_error(table):.1f} points"
    yield "| predicted | pairs | mean predicted | observed |\n|---|---|---|---|"
    for row in table.to_dict("records"):
        spread = f" ({row['low']:.2f} to {row['high']:.2f})" if "low" in row else ""
        yield (
            f"| {row['from']:.1f} to {row['to']:.1f} | {row['pairs']:,} | {row['predicted']:.2f} | "
            f"{row['observed']:.2f}{spread} |"
        )


def _forks(draws: pd.DataFrame) -> Iterator[str]:
    for name, of in draws[draws["population"].str.startswith("fork")].groupby("population"):
        p, true = (np.concatenate(of[column].tolist())[:, None] for column in ("predicted", "true"))
        yield from _bins(str(name), reliability(p, true))


def _demo() -> Iterator[str]:
    adata = anndata.read_h5ad(DEMO)
    model = cellam.fit(cellam.read(adata))
    for label in model.snapshots.labels[:-1]:
        found = predict_fates(model, label, adata.obs["cell_type"])
        true = truth(model, adata.obsm["X_latent"], label)
        p, both = found.probability, np.stack([true, 1 - true], axis=1)
        off = ((p - both) ** 2).sum(1).mean()
        mean = ((found.whole - both) ** 2).sum(1).mean()
        name = f"demo, {label} ({off:.3f} more than the least, the mean fate {mean:.3f})"
        yield from _bins(name, reliability(p, both))


def _larry() -> Iterator[str]:
    cells = cellam.read(LARRY)
    model, types, clones = cellam.fit(cells), cells.obs["state_info"], cells.obs["clone_id"]
    found = validate(model, types, clones, start=("2", "4"), terminal="6")
    yield from _bins("larry, against sisters (95 % over clones)", found.reliability)
    days = [predict_fates(model, day, types, terminal="6") for day in ("2", "4")]
    yield f"With `fates --clones clone_id`: {calibrate(model, types, clones, days).says}"


def main() -> None:
    """Write FATES.md."""
    draws = pd.DataFrame(map(json.loads, Path(sys.argv[1]).read_text().splitlines()))
    lines = ["# Growth and fates against the truth", "Written by `make bench-fates`."]
    lines += [*_populations(draws), "## Reliability of fates", *_forks(draws), *_demo()]
    lines += _larry() if LARRY.exists() else []
    TABLE.write_text("\n\n".join(lines).replace("|\n\n| ", "|\n| ") + "\n")


if __name__ == "__main__":
    main()
