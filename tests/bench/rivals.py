"""cellam beside its rivals on held-out days, same cells, same protocol, same run: `make bench`.

Drives ../shared/bench/protocol.py, with every method in a process of its own and in the
environment that it needs: cellam and the baselines here, torchcfm and moscot in those that
`make peers` puts into .bench/. What is missing is said and left out. Finished runs are kept in
.bench/ as well and not repeated: remove their .jsonl to run them again.

    python tests/bench/rivals.py                 run what is missing, print the tables
    python tests/bench/rivals.py --write         … and put tables and figure beside this file
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SHARED = ROOT.parent / "shared"
PROTOCOL = SHARED / "bench" / "protocol.py"
KEPT = ROOT / ".bench"
CELLAM = "contender:predict"


class Data(NamedTuple):
    """A data set of the protocol: its flags, and what `all` of it means."""

    name: str
    file: str
    flags: tuple[str, ...] = ()
    protocol: str = "loo"


SETS = (
    Data("eb, 5 whitened", "eb.h5ad", ("--dims", "5", "--whiten")),
    Data("cite, 5 whitened", "cite.h5ad", ("--dims", "5", "--whiten")),
    Data("eb, 50", "eb.h5ad", ("--dims", "50")),
    Data("cite, 50", "cite.h5ad", ("--dims", "50")),
    Data("emt, 10", "emt_10d.h5ad"),
    Data("weinreb, 2", "weinreb_2d.h5ad"),
    Data("gene switch, 2", "sim_gene_growth.h5ad"),
    Data("gene switch, all days", "sim_gene_growth.h5ad", protocol="all"),
    Data("klein, 20", "klein_pca20.h5ad", ("--dims", "20")),
)
BASELINES = ("ot_interp", "mixture", "previous", "next")
NAMES = {
    CELLAM: "cellam",
    "contender:simulate": "cellam",
    "ot_interp": "OT midpoint",
    "mixture": "mixture",
    "previous": "day before",
    "next": "day after",
    "otcfm": "OT-CFM",
    "sf2m": "SF2M",
    "moscot": "moscot",
}


def klein() -> Path:
    """20 components of the log counts of all days, as the protocol has them."""
    target = KEPT / "klein_pca20.h5ad"
    if not target.exists():
        import anndata
        import numpy as np
        import scanpy as sc

        adata = anndata.read_h5ad(SHARED / "data" / "klein_mesc_counts.h5ad")
        dense = adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)
        logs = np.log1p(dense.astype(np.float64))
        scores = sc.pp.pca(logs, n_comps=20, svd_solver="arpack", random_state=0)
        small = anndata.AnnData(np.zeros((len(logs), 1), np.float32), obs=adata.obs[["day"]])
        small.obsm["X_pca"] = scores
        KEPT.mkdir(exist_ok=True)
        small.write_h5ad(target)
    return target


def environment(name: str) -> str:
    """The Python of an environment that `make peers` made, if it has the package."""
    python = KEPT / name / "bin" / "python"
    if python.exists():
        seen = subprocess.run([python, "-c", f"import {name}"], check=False, capture_output=True)
        if seen.returncode == 0:
            return str(python)
    print(f"no {name} here (`make peers`): its methods are left out", file=sys.stderr)
    return ""


def methods(data: Data, peers: str, moscot: str) -> Iterator[tuple[str, str, str]]:
    """Name, Python (none where its environment is missing) and seeds of every method."""
    loo = data.protocol == "loo"
    yield CELLAM if loo else "contender:simulate", sys.executable, "0 1 2"
    for name in BASELINES if loo else ("previous",):
        yield name, sys.executable, "0"
    yield "otcfm", peers, "0 1 2" if "whitened" in data.name else "0"
    if "whitened" in data.name:
        yield "sf2m", peers, "0 1 2"
    if data.name.startswith("eb, 5 "):  # its plan of cite takes over seven minutes
        yield "moscot", moscot, "0"


def run(
    data: Data, method: str, python: str, seeds: str, threads: int, *, again: bool = True
) -> list[dict[str, Any]]:
    """Results of a method, from an earlier run where there are any; run it if `again`."""
    safe = "".join(c if c.isalnum() else "_" for c in f"{data.name} {data.protocol} {method}")
    kept = KEPT / f"{safe}.jsonl"
    if not kept.exists() and not again:
        return []
    if not kept.exists():
        KEPT.mkdir(exist_ok=True)
        path = klein() if data.file.startswith("klein") else SHARED / "data" / data.file
        print(f"{data.name}: {NAMES[method]}", file=sys.stderr, flush=True)
        command = [python, PROTOCOL, "--data", path, *data.flags, "--protocol", data.protocol]
        command += ["--method", method, "--seeds", *seeds.split(), "--threads", str(threads)]
        done = subprocess.run(
            [str(part) for part in command],
            cwd=HERE,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode or not done.stdout.strip():
            print(f"{data.name}: {NAMES[method]} failed and is left out", file=sys.stderr)
            return []
        # Some rivals print as well.
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        kept.write_text("\n".join(lines), encoding="utf-8")
    return [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]


def summary(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Means over the held-out days, and the deviation over seeds."""
    frame = pd.DataFrame(rows)
    by_seed = frame.groupby("seed")[["w1", "w2", "mmd2", "energy"]].mean()
    w1 = f"{by_seed['w1'].mean():.4g}"
    if len(by_seed) > 1:
        w1 += f" ± {by_seed['w1'].std(ddof=0):.2g}"
    return {
        "W1 of each day": ", ".join(
            f"{v:.4g}" for v in frame.groupby("held_out")["w1"].mean().tolist()
        ),
        "W1": w1,
        "W2": f"{by_seed['w2'].mean():.4g}",
        "MMD² × 10³": f"{1e3 * by_seed['mmd2'].mean():.3g}",
        "energy": f"{by_seed['energy'].mean():.3g}",
        "fit s": f"{frame['fit_s'].mean():.1f}",
        "predict s": f"{frame['predict_s'].mean():.2f}",
        "CPU s": f"{frame['cpu_s'].mean():.1f}",
        "peak MB": f"{frame['peak_mb'].max():.0f}",
    }


def label(method: str, rows: list[dict[str, Any]]) -> str:
    """Name of a method, its steps and its seeds."""
    steps = f", {rows[0]['iters']:,} steps" if "iters" in rows[0] else ""
    n = len({row["seed"] for row in rows})
    return f"{NAMES[method]}{steps}{f', {n} seeds' if n > 1 else ''}"


def table(data: Data, found: dict[str, list[dict[str, Any]]]) -> str:
    """One data set in Markdown, best W1 first."""
    rows = {label(m, r): summary(r) for m, r in found.items() if r}
    order = sorted(rows, key=lambda name: float(rows[name]["W1"].split()[0]))
    columns = list(rows[order[0]])
    lines = [f"### {data.name}", "", f"| method | {' | '.join(columns)} |"]
    lines.append("|" + "---|" * (len(columns) + 1))
    lines += [f"| {name} | {' | '.join(rows[name].values())} |" for name in order]
    extra = found.get("contender:simulate")
    if extra:
        worst = max(row["tmv"] for row in extra)
        lines += ["", f"Mass error (TMV) of cellam: at most {worst:.3f} on any day, any seed."]
    return "\n".join(lines)


def short(all_found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    """Mean W1 and energy of the methods that most people would compare, a data set a line."""
    shown = ("cellam", "OT midpoint", "mixture", "OT-CFM")
    lines = [f"| data | {' | '.join(shown)} |", "|" + "---|" * (len(shown) + 1)]
    for data, found in all_found.items():
        values = dict.fromkeys(shown, "–")
        for method, rows in found.items():
            if rows and NAMES[method] in values:
                mean = pd.DataFrame(rows)[["w1", "energy"]].mean()
                values[NAMES[method]] = f"{mean['w1']:.3g} ({mean['energy']:.2g})"
        lines.append(f"| {data} | {' | '.join(values.values())} |")
    return "\n".join(lines)


def figure(all_found: dict[str, dict[str, list[dict[str, Any]]]], target: Path) -> None:
    """W1 of every method over that of the straight optimal-transport midpoint."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "cellam"
    import matplotlib.pyplot as plt

    shown = {name: f for name, f in all_found.items() if f.get("ot_interp")}
    fig, ax = plt.subplots(figsize=(7, 0.45 * len(shown) + 1.2), layout="constrained")
    marks = {"cellam": ("o", "C3", 60), "OT-CFM": ("s", "C0", 30), "SF2M": ("D", "C2", 25)}
    for method in dict.fromkeys(m for f in shown.values() for m in f):
        if method in ("ot_interp", "previous", "next"):
            continue
        at, values = [], []
        for y, found in enumerate(shown.values()):
            if found.get(method):
                base = pd.DataFrame(found["ot_interp"])["w1"].mean()
                at.append(y)
                values.append(pd.DataFrame(found[method])["w1"].mean() / base)
        mark, colour, size = marks.get(NAMES[method], ("^", "0.6", 25))
        ax.scatter(values, at, size, color=colour, marker=mark, label=NAMES[method], zorder=3)
    ax.axvline(1, color="0.3", lw=1)
    ax.set_yticks(range(len(shown)), list(shown))
    ax.invert_yaxis()
    ax.set_xlabel("W1 of the held-out days, over that of the optimal-transport midpoint")
    ax.grid(axis="y", color="0.9")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    fig.savefig(target, metadata={"Date": None})


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--write", action="store_true", help="write RESULTS.md and rivals.svg")
    parser.add_argument("--kept", action="store_true", help="run nothing, print what is kept")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="data sets whose name holds this")
    asked = parser.parse_args()
    if not PROTOCOL.exists():
        print("no ../shared/bench here: see `cellam eval` on the demo data", file=sys.stderr)
        return
    peers = moscot = ""
    if not asked.kept:
        peers, moscot = (environment(name) for name in ("torchcfm", "moscot"))
    all_found = {}
    for data in SETS:
        if asked.only in data.name:
            found = {}
            for method, python, seeds in methods(data, peers, moscot):
                found[method] = run(
                    data,
                    method,
                    python,
                    seeds,
                    asked.threads,
                    again=python != "" and not asked.kept,
                )
            if any(found.values()):
                all_found[data.name] = found
    text = "\n\n".join(table(data, all_found[data.name]) for data in SETS if data.name in all_found)
    head = (
        f"Measured on {date.today().isoformat()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{asked.threads} thread{'s' * (asked.threads > 1)} a method, with `make bench`. Inner "
        "days held out one at a time, times by their index, clouds of at most 2,500 points and "
        "never more than the day before has cells; cellam on its defaults. The machine is shared: "
        "seconds swing, CPU seconds less so."
    )
    text = f"W1 (energy distance), means of the inner days:\n\n{short(all_found)}\n\n{text}"
    print(head, text, sep="\n\n")
    if asked.write:
        (HERE / "RESULTS.md").write_text(
            f"# cellam and its rivals on held-out days\n\n{head}\n\n{text}\n", encoding="utf-8"
        )
        figure(all_found, HERE / "rivals.svg")


if __name__ == "__main__":
    main()
