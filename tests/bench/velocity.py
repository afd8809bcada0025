"""Fits with and without given velocities: `python tests/bench/velocity.py` writes VELOCITY.md.

Two arms that bend between the days, whose velocities are known: the marginals of a few days do not
tell how. Velocities that are right, right but for noise, turned round, and random. And eb (with
../shared/data), whose RNA velocity is in its PCA: held-out days with and without.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cellam
from cellam.modelling.model import Model

Array = NDArray[np.float64]

EB = Path(__file__).parents[3] / "shared" / "data" / "eb.h5ad"
TABLE = Path(__file__).with_name("VELOCITY.md")
DRAWS = 4
CELLS, DIMS = 200, 5
BEND, TURNS = 1.0, 0.35  # of the arms, in their distance from the middle and per day
NOISE = 3.0  # times the velocity itself
COURSES = {"4 days": (0.0, 1.0, 2.0, 3.0), "3 days": (0.0, 1.5, 3.0)}
KINDS = ("right", "noisy", "turned round", "random")
QUICK = {"use_rep": "X_true", "method": "am", "n_features": 500}  # growth is a matter apart
SEEDS = 5


def arms(t: float, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Cells (n, d) of both arms at a time, and their velocities."""
    side = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    x, v = 0.3 * rng.standard_normal((n, DIMS)), np.zeros((n, DIMS))
    angle = 2 * np.pi * TURNS * t
    x[:, 0] += 1.5 * t
    x[:, 1] += side * (1 + BEND * np.sin(angle))
    v[:, 0], v[:, 1] = 1.5, side * BEND * 2 * np.pi * TURNS * np.cos(angle)
    return x, v


def course(days: tuple[float, ...], kind: str, seed: int) -> anndata.AnnData:
    """Cells of some days with velocities in an unknown unit of time."""
    rng = np.random.default_rng(seed)
    x, v = (
        np.concatenate(parts) for parts in zip(*(arms(t, CELLS, rng) for t in days), strict=True)
    )
    wrong = np.random.default_rng((seed, 1)).standard_normal(v.shape)
    if kind == "noisy":
        v = v + NOISE * np.sqrt((v**2).sum(1).mean() / DIMS) * wrong
    if kind == "turned round":
        v = -v
    if kind == "random":
        v = wrong
    obs = pd.DataFrame({"day": np.repeat(days, CELLS)}, index=[f"c{i}" for i in range(len(x))])
    return anndata.AnnData(obs=obs, obsm={"X_true": x, "velocity": 7.0 * v})


def error(model: Model, days: tuple[float, ...]) -> float:
    """Squared error of the velocity over all times, by the truth's squared length."""
    rng, off, size = np.random.default_rng(0), 0.0, 0.0
    for t in np.linspace(days[0], days[-1], 13):
        x, v = arms(t, 300, rng)
        found = model.velocity(t, model.space.from_coordinates(x)) * model.space.scale
        off, size = off + ((found - v) ** 2).sum(), size + (v**2).sum()
    return float(off / size)


def _simulated() -> Iterator[str]:
    yield (
        "| days | velocities | draws that use them | mean share | cosine with the fit without | "
        "error with | without | difference (least, largest) |\n|---|---|---|---|---|---|---|---|"
    )
    for name, days in COURSES.items():
        for kind in KINDS:
            rows = []
            for seed in range(DRAWS):
                cells = cellam.read(course(days, kind, seed), use_rep="X_true", velocity="velocity")
                model = cellam.fit(cells, **QUICK, seed=seed)
                plain = cellam.fit(cells.without_velocities(), **QUICK, seed=seed)
                assert model.agreement is not None
                rows.append(
                    (
                        model.choice.recipe.velocity,
                        model.agreement.cosine,
                        error(model, days),
                        error(plain, days),
                    )
                )
            share, cosine, off, without = np.array(rows).T
            gain = off - without
            yield (
                f"| {name} | {kind} | {(share > 0).sum()} of {DRAWS} | {share.mean():.2f} | "
                f"{cosine.mean():.2f} | {off.mean():.3f} | {without.mean():.3f} | "
                f"{gain.mean():.3f} ({gain.min():.3f}, {gain.max():.3f}) |"
            )


def main() -> None:
    """Write VELOCITY.md."""
    warnings.filterwarnings("ignore")
    for line in _simulated():
        print(line, flush=True)


if __name__ == "__main__":
    main()
