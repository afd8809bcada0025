"""The experiments of the Action Matching paper, with `cellam.fit_action`: `make bench-paper`.

Each has its setting in `experiments/`, a function here, a figure and rows in PAPER.md. Rows and
figures are kept in .bench/paper/ and not made again: remove the .json of an experiment to
repeat it.

    python tests/bench/paper.py                      run what is missing, print the table
    python tests/bench/paper.py schrodinger-kernel   only these
    python tests/bench/paper.py --write              … and write PAPER.md
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import date
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
import torch
from experiments import entropic, generation, schrodinger, unbalanced
from experiments.rows import KEPT, Row

HERE = Path(__file__).parent


EXPERIMENTS = {
    "schrodinger-kernel": schrodinger.kernel,
    "schrodinger-mlp": schrodinger.mlp,
    "entropic-ou": entropic.ou,
    "entropic-well": entropic.well,
    "unbalanced-mixture": unbalanced.mixture,
    "unbalanced-geodesic": unbalanced.geodesic,
    "generation-moons": generation.moons,
    "generation-digits": generation.digits_with_labels,
}


def page(threads: dict[str, int]) -> str:
    """The table of all that has been run."""
    lines = [
        f"Measured until {date.today().isoformat()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{'/'.join(map(str, sorted(set(threads.values()))))} thread(s), with `make bench-paper`. "
        "Seconds are those of the fit (CPU seconds in brackets); the machine is shared, and wall "
        "seconds swing.",
        "",
        "| experiment | setting | measure | found | reference | s (CPU) | note |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in threads:
        for values in json.loads((KEPT / f"{name}.json").read_text("utf-8"))["rows"]:
            row = Row(*values)
            cost = "" if np.isnan(row.seconds) else f"{row.seconds:.0f} ({row.cpu:.0f})"
            cells = (
                row.experiment,
                row.setting,
                row.measure,
                row.found,
                row.reference,
                cost,
                row.note,
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and print or write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", help=", ".join(EXPERIMENTS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write PAPER.md")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(EXPERIMENTS)
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(EXPERIMENTS)}")
    torch.set_num_threads(asked.threads)
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in asked.names or EXPERIMENTS:
        kept = KEPT / f"{name}.json"
        if kept.exists():
            continue
        print(name, file=sys.stderr, flush=True)
        rows = EXPERIMENTS[name]()
        kept.write_text(json.dumps({"threads": asked.threads, "rows": rows}), "utf-8")
    threads = {
        name: json.loads((KEPT / f"{name}.json").read_text("utf-8"))["threads"]
        for name in EXPERIMENTS
        if (KEPT / f"{name}.json").exists()
    }
    text = page(threads)
    print(text)
    if asked.write:
        about = (HERE / "experiments" / "README.md").read_text("utf-8")
        (HERE / "PAPER.md").write_text(f"# The paper's experiments\n\n{text}\n\n{about}", "utf-8")


if __name__ == "__main__":
    main()
