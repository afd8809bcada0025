"""Fits with and without given velocities: `python tests/bench/velocity.py` writes VELOCITY.md.

Two arms that bend between the days, whose velocities are known: the marginals of a few days do not
tell how. Velocities that are right, right but for noise, turned round, at right angles to the right
ones, and random. And eb (with ../shared/data), whose RNA velocity is in its PCA: held-out days with
and without.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

import cellam
from cellam.modelling import selection
from cellam.modelling.model import Model
from cellam.modelling.recipe import Reason
from cellam.truths import bent_arms

Array = NDArray[np.float64]

EB = Path(__file__).parents[3] / "shared" / "data" / "eb.h5ad"
TABLE = Path(__file__).with_name("VELOCITY.md")
DRAWS = 4
CELLS = 200
NOISE = 3.0  # times the velocity itself
# Days, and how often the arms turn in one.
COURSES = {
    "4 days": ((0.0, 1.0, 2.0, 3.0), 0.35),
    "3 days": ((0.0, 1.5, 3.0), 0.35),
    "3 days, slower turns": ((0.0, 1.5, 3.0), 0.2),
}
KINDS = ("right", "noisy", "turned round", "at right angles", "random")
QUICK = {"use_rep": "X_true", "method": "am", "n_features": 500}  # growth is a matter apart
SHARES = (0.0, 0.5, 1.0)
SEEDS, N_PCS = (0, 1), 5  # of the fits to eb


def course(days: tuple[float, ...], turns: float, kind: str, seed: int) -> anndata.AnnData:
    """Cells of some days with velocities in an unknown unit of time."""
    rng = np.random.default_rng(seed)
    drawn = [bent_arms(t, CELLS, rng, turns=turns) for t in days]
    x, v = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    wrong = np.random.default_rng((seed, 1)).standard_normal(v.shape)
    if kind == "noisy":
        v = v + NOISE * np.sqrt((v**2).mean()) * wrong
    if kind == "turned round":
        v = -v
    if kind == "at right angles":  # as smooth as the true ones
        v[:, 0], v[:, 1] = -v[:, 1], v[:, 0].copy()
    if kind == "random":
        v = wrong
    obs = pd.DataFrame({"day": np.repeat(days, CELLS)}, index=[f"c{i}" for i in range(len(x))])
    return anndata.AnnData(obs=obs, obsm={"X_true": x, "velocity": 7.0 * v})


def error(model: Model, days: tuple[float, ...], turns: float) -> float:
    """Squared error of the velocity over all times, by the truth's squared length."""
    rng, off, size = np.random.default_rng(0), 0.0, 0.0
    for t in np.linspace(days[0], days[-1], 13):
        x, v = bent_arms(t, 300, rng, turns=turns)
        found = model.velocity(t, model.space.from_coordinates(x)) * model.space.scale
        off, size = off + ((found - v) ** 2).sum(), size + (v**2).sum()
    return float(off / size)


def _simulated() -> Iterator[str]:
    yield (
        "| days | velocities | draws that use them | mean share | cosine with the fit without | "
        "followed to | error with | without | difference (least, largest) |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for name, (days, turns) in COURSES.items():
        for kind in KINDS:
            rows = []
            for seed in range(DRAWS):
                data = course(days, turns, kind, seed)
                cells = cellam.read(data, use_rep="X_true", velocity="velocity")
                model = cellam.fit(cells, **QUICK, seed=seed)
                plain = cellam.fit(cells.without_velocities(), **QUICK, seed=seed)
                assert model.agreement is not None
                rows.append(
                    (
                        model.choice.recipe.velocity,
                        model.agreement.cosine,
                        model.agreement.trust,
                        error(model, days, turns),
                        error(plain, days, turns),
                    )
                )
            share, cosine, trust, off, without = np.array(rows).T
            gain = off - without
            yield (
                f"| {name} | {kind} | {(share > 0).sum()} of {DRAWS} | {share.mean():.2f} | "
                f"{cosine.mean():.2f} | {trust.mean():.2f} | {off.mean():.3f} | "
                f"{without.mean():.3f} | {gain.mean():.3f} ({gain.min():.3f}, {gain.max():.3f}) |"
            )


@contextmanager
def _imposed(share: float) -> Iterator[None]:
    """Fits that use a share of the velocities, whatever the days say."""
    chosen = selection.choose_velocity
    selection.choose_velocity = lambda *_: (share, Reason("asked"))
    try:
        yield
    finally:
        selection.choose_velocity = chosen


def _eb() -> Iterator[str]:
    cells = cellam.read(EB, use_rep="X_pca", time_key="day", velocity="velocity_pca")
    yield (
        "| seed | held-out day | share chosen | cosine (95 %), shuffled, p | followed to | energy "
        "with share 0 | 0.5 imposed | 1 imposed | W1 with share 0 | 0.5 imposed | 1 imposed |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for seed in SEEDS:
        how = {"n_pcs": N_PCS, "seed": seed, "n_features": 300}
        tables = []
        for share in SHARES:
            with _imposed(share):
                asked = {"metrics": ("energy", "W1"), "counterpart": False, "refits": 4}
                table = cellam.evaluate(cells, "all", **how, **asked).table
            tables.append(table[table["method"] == "cellam"].set_index(["label", "metric"]))
        for label in ("1", "2", "3"):
            model = cellam.fit(cells, exclude=(label,), **how)
            found = model.agreement
            assert found is not None
            scores = [
                "{value:.3f} ({low:.3f} to {high:.3f})".format(**table.loc[(label, metric)])
                for metric in ("energy", "W1")
                for table in tables
            ]
            yield (
                f"| {seed} | {label} | {model.choice.recipe.velocity:g} | {found.cosine:.3f} "
                f"({found.low:.3f} to {found.high:.3f}), {found.shuffled:.3f}, {found.p:.3f} | "
                f"{found.trust:.2f} | {' | '.join(scores)} |"
            )


def main() -> None:
    """Write VELOCITY.md."""
    warnings.filterwarnings("ignore")
    lines = ["# Fits with given velocities", "Written by `python tests/bench/velocity.py`."]
    lines += [
        "## Arms that bend between the days\n\nError: squared, of the velocity over all times, by "
        f"the squared length of the true one. Mean over {DRAWS} draws of {CELLS} cells a day; "
        f"noisy velocities have noise of {NOISE:g} times their own size in each coordinate.",
        *_simulated(),
    ]
    if EB.exists():
        lines += [
            f"## eb\n\nRNA velocity in the PCA, {N_PCS} components. A share of 0, which is "
            "what the fit chooses where so said, is the fit without velocities. Intervals "
            "as `eval` has them.",
            *_eb(),
        ]
    TABLE.write_text("\n\n".join(lines).replace("|\n\n| ", "|\n| ") + "\n")


if __name__ == "__main__":
    main()
