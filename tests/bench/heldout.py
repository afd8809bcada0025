"""Held-out days of all development sets, by the command line on its defaults: `make bench`.

Every inner day of every set is held out in turn, with several seeds, through the installed command,
and scored beside the four baselines. Prints one table in Markdown, by set and over all days: ratios
of the energy distance and of W1 to optimal transport and to the best baseline of the day. `--before
CELLAM` runs another release beside it; `--write` puts the table into HELDOUT.md. Uses
../shared/data where it is there, and the demo data elsewhere.

Where a prediction is as near as the day is to itself, no ratio means anything: energies are taken
as no less than the upper end of the 95 % interval of the floor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent.parent
SHARED = ROOT.parent / "shared" / "data"
HERE = Path(sys.executable).with_name("cellam")
DAYS = ["--time-key", "day"]
PCA = [*DAYS, "--use-rep", "X_pca"]
SETS: dict[str, tuple[Path, list[str]]] = {
    "demo": (ROOT / "data" / "demo.h5ad", []),
    "klein": (SHARED / "klein_mesc_counts.h5ad", DAYS),
    "larry": (SHARED / "larry_clones_781.h5ad", DAYS),
    "worm": (SHARED / "worm_embryo_counts.h5ad", DAYS),
    "hesc": (SHARED / "hesc_chu_100tf.h5ad", DAYS),
    "hsmm": (SHARED / "hsmm_fpkm_6000.h5ad", DAYS),
    "emt": (SHARED / "emt_10d.h5ad", PCA),
    "weinreb": (SHARED / "weinreb_2d.h5ad", PCA),
    "gene switch": (SHARED / "sim_gene_growth.h5ad", PCA),
    "rotation": (SHARED / "sim_lotka_volterra.h5ad", PCA),
    "eb, 5": (SHARED / "eb.h5ad", [*PCA, "--n-pcs", "5", "--whiten"]),
    "eb, 20": (SHARED / "eb.h5ad", [*PCA, "--n-pcs", "20"]),
    "cite, 5": (SHARED / "cite.h5ad", [*PCA, "--n-pcs", "5", "--whiten"]),
}
BASELINES = ("previous", "next", "mixture", "ot")
NOTES = "\n## Notes\n"  # what follows in HELDOUT.md is written by hand, and stays


@dataclass(frozen=True)
class Day:
    """Scores of one held-out day: metric, then method."""

    name: str
    label: str
    scores: dict[str, dict[str, float]]

    def ratio(self, metric: str, rival: str) -> float:
        """Of the fit to "ot" or to the "best" baseline."""
        found = self.scores[metric]
        least = found["noise"] if metric == "energy" else 0.0
        other = min(found[name] for name in BASELINES) if rival == "best" else found["ot"]
        return max(found["cellam"], least) / max(other, least)


def kept(folder: Path | None, command: Path, name: str, seed: int) -> list[Day]:
    """As `score`, from a folder where it is there, and else put into it."""
    if folder is None:
        return score(command, name, seed)
    file = folder / f"{name}-{seed}.json"
    if not file.exists():
        days = score(command, name, seed)
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({day.label: day.scores for day in days}), encoding="utf-8")
    found = json.loads(file.read_text(encoding="utf-8"))
    return [Day(name, label, scores) for label, scores in found.items()]


def score(command: Path, name: str, seed: int) -> list[Day]:
    """All inner days of a set, by a fit and an evaluation in processes of their own."""
    path, flags = SETS[name]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        fit = [command, "fit", path, "--seed", str(seed), "--no-report", *flags]
        evaluate = [
            command,
            "eval",
            "--holdout",
            "all",
            "--json",
            "--no-counterpart",
            "--no-report",
        ]
        evaluate += ["--refits", "0", "--workers", "1", "--metrics", "energy,W1"]
        for what in (fit, evaluate):
            done = subprocess.run(what, cwd=folder, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(
                    f"{' '.join(map(str, what))} ended with {done.returncode}:\n{done.stderr}"
                )
    days: dict[str, dict[str, dict[str, float]]] = {}
    for row in json.loads(done.stdout)["rows"]:
        of_day = days.setdefault(row["label"], {}).setdefault(row["metric"], {})
        of_day[row["method"]] = row["value"]
        if row["method"] == "floor":
            of_day["noise"] = row["high"]
    print(f"{name}, seed {seed}: {len(days)} days", file=sys.stderr)
    return [Day(name, label, scores) for label, scores in days.items()]


def mean(ratios: Iterable[float]) -> float:
    """Geometric mean."""
    return float(np.exp(np.mean(np.log(list(ratios)))))


def row(title: str, days: list[Day]) -> str:
    """One line of the table: geometric means, share of days won, worst day."""
    cells = [title, f"{len({(day.name, day.label) for day in days})}"]
    for metric in ("energy", "W1"):
        for rival in ("ot", "best"):
            ratios = [day.ratio(metric, rival) for day in days]
            won = 100 * np.mean([ratio < 1 for ratio in ratios])
            cells.append(f"{mean(ratios):.2f} ({won:.0f} %; {max(ratios):.2f})")
    return f"| {' | '.join(cells)} |"


def table(days: list[Day]) -> list[str]:
    """By set, then over all days, then over sets."""
    sets = list(dict.fromkeys(day.name for day in days))
    lines = [row(name, [day for day in days if day.name == name]) for name in sets]
    over_sets = []
    for metric in ("energy", "W1"):
        for rival in ("ot", "best"):
            of_set = [mean(d.ratio(metric, rival) for d in days if d.name == name) for name in sets]
            over_sets.append(f"{mean(of_set):.2f}")
    return [
        *lines,
        row("**all days**", days),
        f"| **all sets alike** | | {' | '.join(over_sets)} |",
    ]


def main() -> None:
    """Run all data sets and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--before", type=Path, help="The command of another release.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keep", type=Path, help="Folder of one release: goes on where it ended.")
    asked = parser.parse_args()
    names = [name for name in asked.sets if SETS[name][0].exists()]
    seeds = f"{asked.seeds} seed{'s' * (asked.seeds > 1)}"
    lines = [
        f"Measured {date.today().isoformat()} on {platform.machine()} with `make bench`: inner "
        f"days held out one at a time, defaults, {seeds}. Geometric mean of the ratio of cellam "
        "to the baseline (days won; worst day).",
    ]
    releases = {"": HERE} if asked.before is None else {"": HERE, ", before": asked.before}
    for title, command in releases.items():
        keep = asked.keep if command == HERE else None
        jobs = [(keep, command, name, seed) for seed in range(asked.seeds) for name in names]
        with ThreadPoolExecutor(asked.workers) as pool:
            days = [day for found in pool.map(lambda job: kept(*job), jobs) for day in found]
        heads = [f"{m} to {r}" for m in ("energy", "W1") for r in ("OT", "the best baseline")]
        lines += [
            "",
            f"| data{title} | days | {' | '.join(heads)} |",
            "|" + "---|" * 6,
            *table(days),
        ]
        print("\n".join(lines[-len(names) - 5 :]), file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if asked.write:
        target = Path(__file__).with_name("HELDOUT.md")
        _, *notes = target.read_text(encoding="utf-8").partition(NOTES)
        head = f"# Held-out days, by the command line\n\n{text}\n"
        target.write_text(head + "".join(notes), encoding="utf-8")


if __name__ == "__main__":
    main()
