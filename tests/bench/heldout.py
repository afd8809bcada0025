"""Held-out accuracy, seconds and memory of the command line on its defaults: `make bench`.

Every data set is fitted and every inner day held out in turn, through the installed command,
each in a process of its own. Prints a table in Markdown; `--write` puts it into COMMANDS.md.
Uses ../shared/data where it is there, and the demo data elsewhere.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SHARED = ROOT.parent / "shared" / "data"
CELLAM = Path(sys.executable).with_name("cellam")
FIVE = ["--use-rep", "X_pca", "--n-pcs", "5", "--whiten"]
SETS = {
    "demo": (ROOT / "data" / "demo.h5ad", []),
    "klein": (SHARED / "klein_mesc_counts.h5ad", []),
    "eb, 5": (
        SHARED / "eb.h5ad",
        ["--use-rep", "X_pca", "--n-pcs", "5", "--whiten", "--time-key", "day"],
    ),
    "cite, 5": (SHARED / "cite.h5ad", ["--use-rep", "X_pca", "--n-pcs", "5", "--whiten"]),
    "cite, 50": (SHARED / "cite.h5ad", ["--use-rep", "X_pca", "--n-pcs", "50"]),
}
METHODS = ("cellam", "previous", "next", "mixture", "ot", "floor")


def measured(command: list[str | Path], cwd: Path) -> tuple[str, float, float]:
    """Standard output, wall seconds and peak memory (MB) of a command."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return out, time.monotonic() - began, usage.ru_maxrss / 1024


def main() -> None:
    """Run all data sets and print the tables."""
    lines = [
        f"Measured {date.today().isoformat()} on {platform.machine()}, {os.cpu_count()} cores, "
        "with `make bench`: defaults of the command line, seed 0. W1 in the units of the space (eb "
        "and cite with 5 components are whitened); n is the number of cells in each cloud. Seconds "
        "are wall time of the process, start-up included; the machine is shared, so they swing.",
        "",
        f"| data | held out | n | {' | '.join(METHODS)} | fit s | eval s (refits) | peak MB |",
        "|" + "---|" * (len(METHODS) + 6),
    ]
    for name, (path, flags) in SETS.items():
        if not path.exists():
            print(f"{name}: {path.name} is not here, skipped", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            cwd = Path(folder)
            _, fit_s, fit_mb = measured([CELLAM, "fit", path, *flags], cwd)
            out, eval_s, eval_mb = measured([CELLAM, "eval", "--holdout", "all", "--json"], cwd)
        rows = [row for row in json.loads(out)["rows"] if row["metric"] == "W1"]
        labels = list(dict.fromkeys(row["label"] for row in rows))
        for k, label in enumerate(labels):
            day = {row["method"]: row for row in rows if row["label"] == label}
            best = min(day[m]["value"] for m in METHODS[:-1])
            values = [
                f"**{day[m]['value']:.4g}**"
                if day[m]["value"] == best
                else f"{day[m]['value']:.4g}"
                for m in METHODS
            ]
            cost = [f"{fit_s:.1f}", f"{eval_s:.1f}", f"{max(fit_mb, eval_mb):.0f}"]
            cost = cost if k == 0 else ["", "", ""]
            n = day["cellam"]["n"]
            lines.append(f"| {name} | {label} | {n:,} | {' | '.join([*values, *cost])} |")
            print(lines[-1], file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if "--write" in sys.argv[1:]:
        target = Path(__file__).with_name("COMMANDS.md")
        target.write_text(f"# Held-out days, by the command line\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
