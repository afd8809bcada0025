"""Fits with and without barcodes: `python tests/bench/barcodes.py [--larry]` writes BARCODES.md.

Forks that are decided early and hide it later (`cellam.truths.fading_fork`), whose true fates are
known, the same with barcodes that mean nothing, and larry (with ../shared/data), where clones are
held out from the fit that they judge. CoSpar [1]_ and moscot's lineage problem (moslin [2]_) stand
beside it where `make peers` has made their environments; each clone is judged by a map that was
inferred without its barcodes, too. Maps that are there are used again, and with `--larry` the forks
are left as they are in BARCODES.md.

References
----------
.. [1] Wang, Herriges, Hurley, Kotton and Klein, CoSpar identifies early cell fate biases from
   single-cell transcriptomic and lineage information, Nature Biotechnology 2022.
.. [2] Lange et al., Mapping lineage-traced cells across time points with moslin, Genome Biology
   2024.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

import cellam
from cellam.analysis.assignment import reference_of
from cellam.analysis.fates import predict_fates
from cellam.evaluation.clones import CONTENDERS, validate, verdict
from cellam.evaluation.sisters import FOLDS, find_sisters
from cellam.modelling.model import Model
from cellam.modelling.pipeline import fit_beside
from cellam.options import Options
from cellam.truths import Population, fading_fork

LARRY = Path(__file__).parents[3] / "shared" / "data" / "larry_clones_781.h5ad"
TABLE = Path(__file__).with_name("BARCODES.md")
BENCH = Path(__file__).parents[2] / ".bench"
PEERS = {  # folder of its environment and of its maps, and what it says of them
    "CoSpar": (
        "cospar",
        "CoSpar 0.5.0 in the coordinates of the file, with the parameters of its examples.",
    ),
    "moscot": (
        "moscot",
        "moscot 0.5.2: its lineage problem (moslin), with distances of 0 within a clone and 1 "
        "between clones, in the coordinates of the file, parameters by default (iterated until it "
        "converges), days chained. It compares clones within a day with clones within the next, "
        "never a clone with itself, so static barcodes tell it little.",
    ),
}
EARLY, LATE = ("2", "4"), "6"
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


def _hidden(
    model: Model, types: pd.Series, clones: pd.Series
) -> tuple[list[list[str]], dict[str, int]]:
    """Clones that are hidden in each fold, as `unseen` does it, and the fold of each clone."""
    of_state = reference_of(model, LATE, types).memberships()
    known = find_sisters(model, types, clones, start=EARLY, terminal=LATE, of_state=of_state)
    clone_of = clones.astype(object).to_numpy()
    last = model.snapshots.rows[model.snapshots.index(LATE)]
    names = [clone_of[last[rows[0]]] for rows in known.late]
    fold = np.random.default_rng(model.options.seed).permutation(known.number) % FOLDS
    lists = [[n for n, f in zip(names, fold, strict=True) if f == k] for k in range(FOLDS)]
    return lists, dict(zip(names, map(int, fold), strict=True))


def _maps(name: str, lists: list[list[str]]) -> list[pd.DataFrame] | None:
    """The maps of a peer without each list of clones; None where it is not here."""
    folder = BENCH / PEERS[name][0]
    python, hidden = folder / "bin" / "python", folder / "hidden.json"
    files = [folder / f"map{k}.tsv" for k in range(FOLDS)]
    text = json.dumps(lists)
    there = hidden.exists() and hidden.read_text(encoding="utf-8") == text
    if not (there and all(file.exists() for file in files)):
        if not python.exists():
            print(f"no {name} here (`make peers`): it is left out", file=sys.stderr)
            return None
        for file in files:
            file.unlink(missing_ok=True)
        hidden.write_text(text, encoding="utf-8")
        script = Path(__file__).with_name(f"{PEERS[name][0]}_maps.py")
        line = [python, script, LARRY, hidden, folder]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return [pd.read_csv(file, sep="\t") for file in files]


def _add_peer(name: str, model: Model, types: pd.Series, clones: pd.Series) -> bool:
    """Make a peer a contender, if it is here: judged by maps without the barcodes in question."""
    lists, judged_by = _hidden(model, types, clones)
    maps = _maps(name, lists)
    if maps is None:
        return False
    clone_of, cells = clones.astype(object).to_numpy(), clones.index.astype(str)

    def contender(model: Model, start: str, end: str, types: pd.Series) -> sparse.csr_matrix:
        first, then = (model.snapshots.rows[model.snapshots.index(k)] for k in (start, end))
        by = np.array([judged_by.get(clone_of[row], 0) for row in first])
        matrix = np.zeros((len(first), len(then)))
        for k, of_fold in enumerate(maps):
            i, j = (
                pd.Index(cells[rows]).get_indexer(of_fold[c])
                for rows, c in ((first, "early"), (then, "late"))
            )
            there = (i >= 0) & (j >= 0) & (by[i] == k)
            matrix[i[there], j[there]] = of_fold["mass"][there]
        return sparse.csr_matrix(matrix / matrix.sum(1, keepdims=True))

    said = f"the map of {name}, without the barcodes of the clone in question"
    CONTENDERS[name] = (contender, said)
    return True


def _larry() -> Iterator[str]:
    cells = cellam.read(LARRY, clones="clone_id")
    model = cellam.fit(cells)
    options = Options(**model.options.model_dump() | {"clones": None})
    plain = fit_beside(model, cells.without_clones(), options)
    types, clones = cells.obs["state_info"], cells.obs["clone_id"]
    beside = [name for name in PEERS if _add_peer(name, model, types, clones)]
    found = validate(model, types, clones, start=EARLY, terminal=LATE, plain=plain)
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
    yield from (PEERS[name][1] for name in beside)


def main() -> None:
    """Write BARCODES.md."""
    lines = ["# Fits with barcodes", "Written by `python tests/bench/barcodes.py`."]
    if sys.argv[1:] == ["--larry"]:
        before = TABLE.read_text(encoding="utf-8").split("\n## larry")[0]
        lines = [before.rstrip("\n")]
    else:
        lines += [
            "## Forks that are decided early\n\nThe trait that decides fades on later days. Fates "
            f"of the first day, mean over {DRAWS} draws of 250 cells a day (least and largest), "
            "path ot.",
            *_forks(),
            _null(),
        ]
    if LARRY.exists():
        lines += ["## larry\n\nEach clone is judged by a fit without its barcodes.", *_larry()]
    TABLE.write_text("\n\n".join(lines).replace("|\n\n| ", "|\n| ") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
