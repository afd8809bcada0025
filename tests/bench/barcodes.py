"""Fits with and without barcodes: `python tests/bench/barcodes.py` writes BARCODES.md.

Forks that are decided early and hide it later (`cellam.truths.fading_fork`), whose true fates are
known, the same with barcodes that mean nothing, and larry (with ../shared/data), where clones are
held out from the fit that they judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import cellam
from cellam.analysis.fates import predict_fates
from cellam.evaluation.clones import validate, verdict
from cellam.modelling.model import Model
from cellam.modelling.pipeline import fit_beside
from cellam.options import Options
from cellam.truths import Population, fading_fork

LARRY = Path(__file__).parents[3] / "shared" / "data" / "larry_clones_781.h5ad"
TABLE = Path(__file__).with_name("BARCODES.md")
DRAWS = 8
QUICK = {"path": "ot", "curvature": 1.0, "n_features": 200}  # what is chosen is a matter apart
FORKS = {
    "every founder barcoded": {},
    "three in ten": {"barcoded": 0.3},
    "three in ten, 600 founders": {"barcoded": 0.3, "founders": 600},
    "in 8 coordinates": {"d": 8},
    "fading faster (0.6)": {"fades": 0.6},
}


def _off(model: Model, truth: Population, states: object) -> tuple[float, float]:
    """Correlation with the true fates of the first day, and the Brier score over the least."""
    found = predict_fates(model, "0", states)
    p, true = found.probability[:, found.states.index("up")], truth.fates[truth.day == 0, 0]
    return float(np.corrcoef(p, true)[0, 1]), 2 * float(np.mean((p - true) ** 2))


def _forks() -> Iterator[str]:
    yield (
        "| fork | draws that use barcodes | correlation | without | Brier over the least | without "
        "| mean fate |\n|---|---|---|---|---|---|---|"
    )
    for name, how in FORKS.items():
        rows = []
        for seed in range(DRAWS):
            truth = fading_fork(np.random.default_rng(seed), **how)
            adata = truth.to_adata()
            fits = [
                cellam.fit(cellam.read(adata, use_rep="X_true", clones=k), **QUICK)
                for k in ("clone", None)
            ]
            mean = 2 * float(truth.fates[truth.day == 0, 0].var())
            offs = [_off(model, truth, adata.obs["state"]) for model in fits]
            rows.append(
                (fits[0].relies_on_clones, offs[0][0], offs[1][0], offs[0][1], offs[1][1], mean)
            )
        used = int(sum(row[0] for row in rows))
        spread = [
            f"{np.mean(c):.2f} ({min(c):.2f} to {max(c):.2f})"
            for c in list(zip(*rows, strict=True))[1:]
        ]
        yield f"| {name} | {used} of {DRAWS} | {' | '.join(spread)} |"


def _null() -> str:
    used = 0
    for seed in range(3 * DRAWS):
        rng = np.random.default_rng(seed)
        adata = fading_fork(rng).to_adata()
        of_day = adata.obs.groupby("day")["clone"]
        adata.obs["clone"] = of_day.transform(lambda c, rng=rng: rng.permutation(c.to_numpy()))
        cells = cellam.read(adata, use_rep="X_true", clones="clone")
        used += cellam.fit(cells, **QUICK).relies_on_clones
    return (
        f"Barcodes shuffled within days are used by {used} of {3 * DRAWS} fits (three gaps each)."
    )


def _larry() -> Iterator[str]:
    cells = cellam.read(LARRY, clones="clone_id")
    model = cellam.fit(cells)
    options = Options(**model.options.model_dump() | {"clones": None})
    plain = fit_beside(model, cells.without_clones(), options)
    types, clones = cells.obs["state_info"], cells.obs["clone_id"]
    found = validate(model, types, clones, start=("2", "4"), terminal="6", plain=plain)
    table = found.table[found.table["state"] == "all"]
    shares = model.choice.recipe.clones
    yield f"{found.clones} clones, {found.cells} early cells; share by day: {shares}."
    yield "| method | score | value (95 % over clones) | gain of cellam |\n|---|---|---|---|"
    for row in table.to_dict("records"):
        value, gain = (
            f"{row[a]:.3f} ({row[b]:.3f} to {row[c]:.3f})"
            for a, b, c in (("value", "low", "high"), ("gain", "gain_low", "gain_high"))
        )
        yield f"| {row['method']} | {row['score']} | {value} | {gain} |"
    yield verdict(found.table)


def main() -> None:
    """Write BARCODES.md."""
    lines = ["# Fits with barcodes", "Written by `python tests/bench/barcodes.py`."]
    lines += [
        "## Forks that are decided early\n\nThe trait that decides fades on later days. Fates of "
        f"the first day, mean over {DRAWS} draws of 250 cells a day (least and largest), path ot.",
        *_forks(),
        _null(),
    ]
    if LARRY.exists():
        lines += ["## larry\n\nEach clone is judged by a fit without its barcodes.", *_larry()]
    TABLE.write_text("\n\n".join(lines).replace("|\n\n| ", "|\n| ") + "\n")


if __name__ == "__main__":
    main()
