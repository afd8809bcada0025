"""Coverage of the intervals of `eval` where replicates differ: replicates as units, and cells.

    python tests/bench/replicates.py

The population is that of the demo (`toys.Branching`), on its days, in its two coordinates. Each day
has its own mice: the cells of a mouse are shifted together by a normal random vector, and its
arms are over- or under-represented together. A draw of the experiment has new mice on all days.
One day is held out, and the true value of a score or of the skill is that of its mean over
draws: of fits to so many mice and cells.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from anndata import AnnData

import cellam
from cellam.demo import DEMO_DAYS
from cellam.evaluation.baselines import BASELINES
from cellam.evaluation.evaluate import evaluate
from cellam.evaluation.skill import skill
from cellam.toys import Branching

HELD_OUT, METRIC = "day4", "energy"
FAST = {"n_features": 64, "tau": 1.0, "curvature": 1.0}
POOL = 20_000  # cells of each day that mice are drawn from


@dataclass(frozen=True)
class Mice:
    """How an experiment is made.

    Parameters
    ----------
    n : int
        Mice of each day.
    shift : float
        Standard deviation of the shift of a mouse, in that of all cells.
    share : float
        Standard deviation of the log odds by which an arm is favoured.
    cells : int
        Of each mouse.
    """

    n: int
    shift: float
    share: float
    cells: int = 60

    def experiment(self, seed: int) -> AnnData:
        """Cells with `day` and `mouse`, and coordinates `X_latent`."""
        rng, z = np.random.default_rng([seed, 7]), population()
        sd = np.concatenate(z).std(0)
        points, mice, when = [], [], []
        for day, known in zip(DEMO_DAYS, z, strict=True):
            for k in range(self.n):
                odds = np.exp(self.share * rng.normal() * np.sign(known[:, 1]))
                rows = rng.choice(POOL, self.cells, replace=False, p=odds / odds.sum())
                points.append(known[rows] + self.shift * sd * rng.normal(size=2))
                mice += [f"{day}_m{k}"] * self.cells
                when += [day] * self.cells
        obs = pd.DataFrame({"day": when, "mouse": mice})
        obs.index = [f"cell{k}" for k in range(len(obs))]
        adata = AnnData(np.ones((len(obs), 1), np.float32), obs)
        adata.obsm["X_latent"] = np.concatenate(points).astype(np.float32)
        return adata


@cache
def population() -> list[np.ndarray]:
    """Many living cells of each day, (POOL, 2)."""
    days = [t for t, _ in DEMO_DAYS.values()]
    rng = np.random.default_rng(0)
    drawn = Branching().simulate(days, [POOL] * len(days), rng, founders=40_000)
    return [z for z, _ in drawn]


DESIGNS = {"3 mice": Mice(3, 0.1, 0.3), "6 mice": Mice(6, 0.1, 0.3)}


def drawn(adata: AnnData, unit: str) -> dict[str, float]:
    """Scores by method, and the ends of the intervals of the fit's score and of its skill."""
    cells = cellam.read(adata, use_rep="X_latent", replicate=unit)
    scores = evaluate(cells, HELD_OUT, metrics=[METRIC], counterpart=False, **FAST).scores
    rows = scores.table.set_index("method")
    found = skill(scores.of(HELD_OUT), METRIC)
    return {
        **rows["value"].to_dict(),
        "low": rows.loc["cellam", "low"],
        "high": rows.loc["cellam", "high"],
        "skill": found.value,
        "skill_low": found.low,
        "skill_high": found.high,
        "between": scores.between(HELD_OUT, METRIC).mean(),
    }


def coverage(mice: Mice, draws: int) -> pd.DataFrame:
    """A row for each unit: how many intervals hold the value of the mean over draws."""
    found: dict[str, list[dict[str, float]]] = {"mouse": [], "none": []}
    for seed in range(draws):
        adata = mice.experiment(seed)
        for unit, known in found.items():
            known.append(drawn(adata, unit))
    rows = []
    for unit, known in found.items():
        table = pd.DataFrame(known)
        mean = table.mean()
        best = mean[[name for name in BASELINES if name in mean]].min()
        true = (best - mean["cellam"]) / (best - mean["floor"])
        rows.append(
            {
                "unit": "replicates" if unit == "mouse" else "cells",
                "energy": mean["cellam"],
                "between": float(np.mean([one["between"] for one in found["mouse"]])),
                "energy held": int(
                    ((table["low"] <= mean["cellam"]) & (mean["cellam"] <= table["high"])).sum()
                ),
                "energy width": (table["high"] - table["low"]).median(),
                "skill": true,
                "skill held": int(
                    ((table["skill_low"] <= true) & (true <= table["skill_high"])).sum()
                ),
                "skill width": (table["skill_high"] - table["skill_low"]).median(),
            }
        )
    return pd.DataFrame(rows)


def main(draws: int = 40) -> None:
    """Print a table in Markdown, a line for each design and unit as it comes."""
    print("| design | unit | energy | between | held | width | skill | held | width | s |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, mice in DESIGNS.items():
        began = time.monotonic()
        table = coverage(mice, draws)
        seconds = (time.monotonic() - began) / draws
        for row in table.to_dict("records"):
            print(
                f"| {name} | {row['unit']} | {row['energy']:.4f} | {row['between']:.4f} "
                f"| {row['energy held']} of {draws} | {row['energy width']:.4f} "
                f"| {row['skill']:.2f} | {row['skill held']} of {draws} "
                f"| {row['skill width']:.2f} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
