"""Comparing conditions: how often a difference is said where there is none, and where there is one.

    python tests/bench/compare.py [--draws N] [--case NAME ...] [--write]

Every draw is an experiment of `cellam.experiments`, compared as `cellam compare` does. "Cells as
units" is what a test of cells would say of the same data: shares of cell types on the last day by
chi-square, as if every cell were a replicate. `--write` puts the table into COMPARE.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
import warnings
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import chi2_contingency

import cellam
from cellam.comparison.deviation import equations
from cellam.comparison.effects import scale_of
from cellam.comparison.relabelling import MOST, labellings, p_values
from cellam.comparison.surplus import follow_samples
from cellam.comparison.table import dynamics_p
from cellam.comparison.units import find_samples
from cellam.experiments import Experiment
from cellam.reading.cell_types import resolve_types
from cellam.toys import Branching

HERE = Path(__file__).parent
LEVELS = (0.05, 0.1)


def _treated(**changes):
    return {"treated": Branching(step=0.1, **changes)}


DESIGNS = {
    "3+3": {"n_samples": (3, 3)},
    "4+4": {"n_samples": (4, 4)},
    "4+4, 60 and 10 cells": {"n_samples": (4, 4), "n_cells": (60, 10)},
    "6+3": {"n_samples": (6, 3)},
    "destructive 3+3": {"n_samples": (3, 3), "destructive": True},
}
EFFECTS = {
    "null": {},
    "other start": _treated(start=(-0.6, 0.15)),
    "arm × 1.2": _treated(boost=1.2),
    "arm × 1.5": _treated(boost=1.5),
    "arm × 2": _treated(boost=2.0),
    "tilt 0.15": _treated(tilt=0.15),
    "tilt 0.3": _treated(tilt=0.3),
    "delay 0.5": {"delay": 0.5},
    "delay 1": {"delay": 1.0},
}


def one(effect: str, design: str, seed: int, *, fates: bool) -> dict[str, float]:
    """p-values of one draw."""
    rng = np.random.default_rng((seed, list(EFFECTS).index(effect)))
    made = {"n_cells": CELLS, **EFFECTS[effect], **DESIGNS[design]}
    adata = Experiment(**made).to_adata(rng)
    cells = cellam.read(adata, use_rep="X_true")
    began = time.process_time()
    samples = find_samples(cells, "treatment", replicate="sample")
    there = samples.of_cells >= 0
    cells, samples = cells.only(there), samples.only(there)
    types = resolve_types(cells.obs, cells.codes)
    model = cellam.fit(cells, seed=seed, **SETTINGS)
    scale = scale_of(
        equations(model, samples, rng), follow_samples(model, samples, types), samples, types, rng
    )
    if not fates:
        scale = replace(scale, start=None)
    tried = labellings(samples, MOST, rng)
    measured = [scale.measure(samples.group(0, of), samples.group(1, of)) for of in tried]
    last = adata.obs[adata.obs["day"] == adata.obs["day"].max()]
    counts = last.groupby(["treatment", "cell_type"], observed=True).size().unstack(fill_value=0)
    return {
        "dynamics": dynamics_p(measured),
        **{f: float(p_values(np.stack([m[f] for m in measured]))[0].min()) for f in measured[0]},
        "cells as units": float(chi2_contingency(np.array(counts)).pvalue),
        "seconds": time.process_time() - began,
    }


# The choice of a path is left out, as it takes most of the time and has no part in the labellings.
CELLS = 50  # of a sample on a day
SETTINGS = {"path": "uot", "tau": 1.0, "n_features": 200}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--case", nargs="*", help="EFFECT or EFFECT@DESIGN")
    parser.add_argument("--fates", action="store_true", help="also fates, ten times as long")
    parser.add_argument("--keep", type=Path, help="JSON lines of all draws, added to")
    parser.add_argument("--write", action="store_true", help="the table into COMPARE.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = [
        tuple(case.split("@")) if "@" in case else (case, "4+4")
        for case in arguments.case or EFFECTS
    ]
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    done: set[tuple[str, str, int]] = set()
    if arguments.keep and arguments.keep.exists():
        for line in arguments.keep.read_text().splitlines():
            row = json.loads(line)
            done.add((row["effect"], row["design"], row["seed"]))
            found.setdefault((row["effect"], row["design"]), []).append(row["p"])
    for seed in range(arguments.draws):
        for effect, design in cases:
            if (effect, design, seed) in done:
                continue
            p = one(effect, design, seed, fates=arguments.fates)
            found.setdefault((effect, design), []).append(p)
            if arguments.keep:
                with arguments.keep.open("a") as out:
                    print(
                        json.dumps({"effect": effect, "design": design, "seed": seed, "p": p}),
                        file=out,
                    )
    print(table(found))
    if arguments.write:
        path = HERE / "COMPARE.md"
        text = path.read_text(encoding="utf-8")
        marked = re.compile(r"(<!-- table -->\n).*?(\n<!-- end -->)", re.S)
        path.write_text(marked.sub(lambda m: m[1] + table(found) + m[2], text), encoding="utf-8")


def table(found) -> str:
    """Share of the draws with p at most each level, for the verdict and for each family."""
    names = ["dynamics", "motion", "arrival", "growth", "delay", "composition", "cells as units"]
    lines = [
        f"| effect | design | draws | {' | '.join(names)} |",
        "|---|---|---|" + "---|" * len(names),
    ]
    for (effect, design), rows in sorted(found.items(), key=lambda item: _place(item[0])):
        shares = []
        for name in names:
            p = np.array([row[name] for row in rows])
            shares.append(" / ".join(f"{np.mean(p <= level + 1e-9):.2f}" for level in LEVELS))
        lines.append(f"| {effect} | {design} | {len(rows)} | {' | '.join(shares)} |")
    return "\n".join(lines)


def _place(case: tuple[str, str]) -> tuple[int, int]:
    return list(EFFECTS).index(case[0]), list(DESIGNS).index(case[1])


if __name__ == "__main__":
    main()
