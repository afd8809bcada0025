"""Which day to add: `python tests/bench/suggest.py RAW [NAME …]`, then `--write RAW`: SUGGEST.md.

Several inner days of a data set are hidden, and each of them could be measured. `cellam suggest`
names one, from the other days alone; so does whoever measures the middle of the largest gap. Then
each hidden day is added in turn, and the fit, its path chosen again, predicts the hidden days that
are left. The gain of a day is by how much their energy distances fall, as a share of those of all
hidden days before; with its own distance, which is known once it is measured, it is the total gain.
No distance counts for less than what sampling alone makes of two clouds of these sizes.

Coordinates are those of a PCA of all days (or the representation of the file), the same for all
fits of a data set. Sets with which the score of `suggest` was chosen are not among them.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import pdist

import cellam
from cellam.analysis.suggestion import suggest
from cellam.dynamics.distances import energy
from cellam.modelling.model import Model
from cellam.reading.cells import Cells
from cellam.toys import Branching

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
TABLE = Path(__file__).with_name("SUGGEST.md")
NOTES = "\n## Notes\n"
REP = {"time_key": "day", "use_rep": "X_pca"}
FILES: dict[str, tuple[Path, dict[str, Any], dict[str, Any]]] = {
    "worm": (SHARED / "worm_embryo_counts.h5ad", {"time_key": "day"}, {}),
    "gene switch": (SHARED / "sim_gene_growth.h5ad", REP, {}),
    "cite, 5": (SHARED / "cite.h5ad", REP, {"n_pcs": 5, "whiten": True}),
    "emt": (SHARED / "emt_10d.h5ad", REP, {}),
    "klein": (SHARED / "klein_mesc_counts.h5ad", {"time_key": "day"}, {}),
    "hsmm": (SHARED / "hsmm_fpkm_6000.h5ad", {"time_key": "day"}, {}),
    "demo": (ROOT / "data" / "demo.h5ad", {}, {}),
}
FORKS: dict[str, Branching] = {
    "fork, early": Branching(),
    "fork, late": Branching(x_f=0.3),
    "fork, tilted": Branching(tilt=0.3, x_f=-0.5),
    "fork, faster": Branching(boost=2.0, x_f=-0.5),
}
QUICK = {"n_features": 256, "max_cells": 300}
DRAWS = 5  # of hidden days, of each set that has so many
CELLS = 500  # new cells, and cells of a day that are scored
UNEVEN = (0.0, 1.0, 2.0, 3.0, 4.5, 5.0, 6.0, 7.0, 9.0)  # days of a fork
FORK_SEED = 100  # not those with which the score was chosen

Pick = Callable[[dict[str, Any]], float]
RULES: dict[str, Pick] = {
    "suggested": lambda day: day["score"],
    "largest in units of noise": lambda day: day["noise"],
    "middle of the largest gap": lambda day: day["gap"] - 1e-6 * abs(day["place"] - 0.5),
    "middle of the gap that changes most": lambda day: (
        day["change"] * (1 - 1e-6 * abs(day["place"] - 0.5))
    ),
}


def in_coordinates(name: str) -> Cells:
    """The cells of a set, in coordinates that no fit changes."""
    if name in FORKS:
        seed = FORK_SEED + list(FORKS).index(name)
        rng = np.random.default_rng(seed)
        clouds = [z for z, _ in FORKS[name].simulate(UNEVEN, [200] * len(UNEVEN), rng)]
        day = np.repeat([f"{t:g}" for t in UNEVEN], 200)
        x = np.concatenate(clouds)
    else:
        path, reading, fitting = FILES[name]
        read = cellam.read(path, **reading)
        model = cellam.fit(read, n_features=64, path="ot", max_cells=1_000, **fitting)
        days = model.snapshots
        x = days.to_data_order(np.concatenate(days.points))
        day = np.array([f"{t:g}" for t in days.times])[days.codes]
    obs = pd.DataFrame({"day": day}, index=[f"c{k}" for k in range(len(x))])
    adata = anndata.AnnData(np.ones((len(x), 1), np.float32), obs=obs, obsm={"X_z": x})
    return cellam.read(adata, time_key="day", use_rep="X_z")


def hidden_days(labels: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Sets of hidden inner days: all pairs and threes of three, else some of four."""
    inner = labels[1:-1]
    sizes = (2, 3) if len(inner) <= 3 else (4,)
    found = [h for n in sizes for h in itertools.combinations(inner, n)]
    order = np.random.default_rng(7).permutation(len(found))
    return [found[k] for k in order[:DRAWS]]


def distance(model: Model, label: str) -> float:
    """Energy distance of a hidden day to its prediction, or the noise of it where that is more.

    In the coordinates of the file. Two samples of one population, of n and m cells, are
    (1/n + 1/m) E|y − y′| apart in the mean, before the unbiased estimate takes it off.
    """
    days = model.snapshots
    k = days.index(label)
    x, w = model.predict(days.times[k], n_cells=CELLS)
    y = days.points[k]
    y = y[np.random.default_rng(0).permutation(len(y))[:CELLS]]
    x, y = model.space.to_coordinates(x), model.space.to_coordinates(y)
    noise = 2 / len(y) * float(pdist(y).mean())
    return max(noise, energy(x, w / w.sum(), y, np.full(len(y), 1 / len(y))))


def change(model: Model, after: str, before: str) -> float:
    """Energy distance of two training days."""
    days = model.training
    x, y = (days.points[days.index(label)][:CELLS] for label in (after, before))
    return energy(x, np.full(len(x), 1 / len(x)), y, np.full(len(y), 1 / len(y)))


def trial(cells: Cells, hidden: tuple[str, ...]) -> list[dict[str, Any]]:
    """Each hidden day: what `suggest` says of it, and what it brings."""
    without = cellam.fit(cells, exclude=hidden, **QUICK)
    known = {label: distance(without, label) for label in hidden}
    times = {without.timeline.position(label): label for label in hidden}
    found = suggest(without, CELLS, times).table
    days = []
    for row in found.to_dict("records"):
        label = times[row["time"]]
        rest = [other for other in hidden if other != label]
        model = cellam.fit(cells, exclude=tuple(rest), **QUICK)
        left = {other: distance(model, other) for other in rest}
        gain = sum(known[other] - left[other] for other in rest)
        all_of_it = sum(known.values())
        days.append(
            {
                **row,
                "label": label,
                "without": known[label],
                "left": left,
                "change": change(without, row["after"], row["before"]),
                "remaining": gain / all_of_it,
                "total": (gain + known[label]) / all_of_it,
            }
        )
    return days


def chosen(days: list[dict[str, Any]], rule: Pick) -> list[int]:
    """Places of the days that a rule chooses; several where it cannot tell."""
    scores = [rule(day) for day in days]
    return [k for k, score in enumerate(scores) if score >= max(scores) - 1e-9 * abs(max(scores))]


def rank(gains: list[float], k: int) -> float:
    """0 for the best day, 1 for the worst."""
    better = sum(g > gains[k] for g in gains) + 0.5 * (sum(g == gains[k] for g in gains) - 1)
    return better / (len(gains) - 1)


def interval(values: Iterable[float]) -> str:
    """Mean over sets and its 95 % interval."""
    v = np.array(list(values))
    half = stats.t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v))
    return f"{v.mean():+.3f} ({v.mean() - half:+.3f} to {v.mean() + half:+.3f})"


def table(trials: dict[str, list[list[dict[str, Any]]]]) -> Iterator[str]:
    """Of each rule: gain over the middle of the largest gap and over a random day, and rank."""
    of = {"remaining": "the hidden days that are left", "total": "all hidden days"}
    for kind, what in of.items():
        yield f"\n### Gain on {what}\n"
        yield (
            "| rule | gain over the middle of the largest gap | trials better, same, worse "
            "| over a random day | rank |"
        )
        yield "|---|---|---|---|---|"
        for name, rule in RULES.items():
            won = [0, 0, 0]
            over_middle, over_random, ranks = [], [], []
            for of_set in trials.values():
                rows = [_one(days, rule, kind) for days in of_set]
                over_middle.append(np.mean([r[0] for r in rows]))
                over_random.append(np.mean([r[1] for r in rows]))
                ranks.append(np.mean([r[2] for r in rows]))
                for r in rows:
                    won[int(1 - np.sign(round(r[0], 3)))] += 1
            middle = "–" if name.startswith("middle of the largest") else interval(over_middle)
            low_high = interval(ranks).replace("+", "")
            count = "–" if middle == "–" else ", ".join(map(str, won))
            yield f"| {name} | {middle} | {count} | {interval(over_random)} | {low_high} |"


def _one(days: list[dict[str, Any]], rule: Pick, kind: str) -> tuple[float, float, float]:
    gains = [day[kind] for day in days]
    mine = chosen(days, rule)
    middle = chosen(days, RULES["middle of the largest gap"])
    gain = np.mean([gains[k] for k in mine])
    ranks = np.mean([rank(gains, k) for k in mine])
    return gain - np.mean([gains[k] for k in middle]), gain - np.mean(gains), float(ranks)


def by_set(trials: dict[str, list[list[dict[str, Any]]]]) -> Iterator[str]:
    """Each set: how many trials, and the gain of the suggested day over the middle."""
    yield "\n### By data set\n"
    yield "| set | trials | same day | gain over the middle, days left | all hidden days | rank |"
    yield "|---|---|---|---|---|---|"
    for name, of_set in trials.items():
        rule, middle = RULES["suggested"], RULES["middle of the largest gap"]
        same = np.mean([set(chosen(d, rule)) == set(chosen(d, middle)) for d in of_set])
        left, every = ([_one(d, rule, kind) for d in of_set] for kind in ("remaining", "total"))
        yield (
            f"| {name} | {len(of_set)} | {100 * same:.0f} % | {np.mean([r[0] for r in left]):+.3f} "
            f"| {np.mean([r[0] for r in every]):+.3f} | {np.mean([r[2] for r in every]):.2f} |"
        )


def main() -> None:
    """Fit, or write the table."""
    if sys.argv[1] == "--write":
        trials: dict[str, list[list[dict[str, Any]]]] = {}
        for line in Path(sys.argv[2]).read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            trials.setdefault(found["set"], []).append(found["days"])
        lines = "\n".join([*table(trials), *by_set(trials)])
        notes = TABLE.read_text(encoding="utf-8").split(NOTES)[1] if TABLE.exists() else "\n"
        head = f"# Which day to add\n\nWritten by `tests/bench/suggest.py`. {' '.join(_about())}\n"
        TABLE.write_text(f"{head}{lines}\n{NOTES}{notes}", encoding="utf-8")
        return
    with Path(sys.argv[1]).open("a", encoding="utf-8") as raw:
        for name in sys.argv[2:] or [*FILES, *FORKS]:
            cells = in_coordinates(name)
            for hidden in hidden_days(cells.timeline.labels):
                days = trial(cells, hidden)
                raw.write(json.dumps({"set": name, "hidden": hidden, "days": days}) + "\n")
                raw.flush()
                print(name, hidden, [(d["label"], round(d["total"], 3)) for d in days], flush=True)


def _about() -> Iterator[str]:
    yield "Mean over data sets, with the 95 % interval over them (sets count alike, Student's t)."
    yield "Gains are shares of the energy of all hidden days. Rank: 0 is the best day, 1 the worst,"
    yield "0.5 chance."


if __name__ == "__main__":
    main()
