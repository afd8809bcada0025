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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import numpy as np
import torch
from experiments import entropic, generation, schrodinger, unbalanced
from experiments.figures import clouds, curves, digits_page, panels

import cellam
from cellam.distances import energy

HERE = Path(__file__).parent
KEPT = HERE.parent.parent / ".bench" / "paper"
TIMES = np.linspace(0, 1, 11)


class Row(NamedTuple):
    """One line of the table: what was measured, beside what it should be."""

    experiment: str
    setting: str
    measure: str
    found: str
    reference: str
    seconds: float = float("nan")
    cpu: float = float("nan")
    note: str = ""


class Clock:
    """Wall and CPU seconds."""

    wall = cpu = float("nan")


@contextmanager
def timed() -> Iterator[Clock]:
    """Measure what is done within."""
    clock, wall, cpu = Clock(), time.perf_counter(), time.process_time()
    yield clock
    clock.wall, clock.cpu = time.perf_counter() - wall, time.process_time() - cpu


def even(x: np.ndarray) -> np.ndarray:
    """Equal weights."""
    return np.full(len(x), 1 / len(x))


def distance(x: np.ndarray, y: np.ndarray, w: np.ndarray | None = None) -> float:
    """Unbiased energy distance of x (weights w) and y."""
    return energy(x, even(x) if w is None else w / w.sum(), y, even(y))


def relative(found: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square of the error over that of the truth."""
    return float(np.sqrt(((found - truth) ** 2).mean() / (truth**2).mean()))


# ------------------------------------------------------------------ Schrödinger


def schrodinger_kernel() -> list[Row]:
    """In closed form."""
    return _schrodinger("kernel", {"n_features": 1_000, "particles": 100_000})


def schrodinger_mlp() -> list[Row]:
    """The paper's network, trained less long than the authors' (100,000 steps on a GPU)."""
    network = {"action": "mlp", "squared": True, "width": 256, "depth": 4}
    return _schrodinger("mlp", {**network, "steps": 6_000, "batch": 512})


def _schrodinger(name: str, options: dict[str, Any]) -> list[Row]:
    train, test = (
        schrodinger.bohm(schrodinger.metropolis(schrodinger.N, np.random.default_rng(seed)))
        for seed in (0, 1)
    )
    span = (0.0, schrodinger.T)
    with timed() as clock:
        fitted = cellam.fit_action(schrodinger.Particles(train), times=span, **options)
    at = schrodinger.STEPS * np.arange(11) // 10
    times = span[1] * TIMES

    moved = fitted.simulate(test[0], times, steps=40).points
    ours, exact, floor, still = (
        np.array([schrodinger.mmd(x[k], y[at[k]]) for k in range(1, 11)])
        for x, y in (
            (moved, test),
            (test[at], test),
            (test[at], train),
            (np.repeat(test[:1], 11, axis=0), train),
        )
    )
    apart = np.array([schrodinger.mmd(moved[k], train[at[k]]) for k in range(1, 11)])
    plain = np.array([schrodinger.mmd(moved[k], test[at[k]], unbiased=False) for k in range(1, 11)])
    shown = (0, 2, 5, 8, 10)
    panels(
        KEPT / f"schrodinger-{name}.png",
        [[cloud[k][:, :2] for k in shown] for cloud in (test[at], moved)],
        [f"t = {times[k]:,.0f}" for k in shown],
        ["exact", f"{name} action"],
        range_=(-220, 220),
    )
    size = (
        f"{options['n_features']:,} features, {options['particles']:,} draws"
        if name == "kernel"
        else f"½‖x − h‖², 4 × 256, {options['steps']:,} steps of {options['batch']}"
    )
    setting = f"{name}: {size}"
    return [
        Row(
            "Schrödinger",
            setting,
            "MMD² of fresh particles to where they should be, mean of 10 times",
            f"{plain.mean():.1e} ± {plain.std():.1e} (sum of 3 such kernels, as in the authors' "
            f"code: {3 * plain.mean():.1e})",
            "authors: Action Matching 5.7e-4 ± 3.1e-4; annealed Langevin with score matching "
            "4.75e-2, sliced 4.7e-2, with the true scores 3.6e-3",
            clock.wall,
            clock.cpu,
            fitted.fit.notes[0],
        ),
        Row(
            "Schrödinger",
            setting,
            "… by the authors' estimator: absolute value without the pairs of a point with itself",
            f"{3 * np.abs(ours).mean():.1e} ± {3 * np.abs(ours).std():.1e} (3 kernels), "
            f"{np.abs(ours).mean():.1e} (1)",
            f"exact motion {3 * np.abs(exact).mean():.1e}, {np.abs(exact).mean():.1e}",
            note="both clouds are the same particles, so that it is biased by "
            f"{exact.mean():.1e}: it cannot tell a good fit from a perfect one",
        ),
        Row(
            "Schrödinger",
            setting,
            "MMD² to 5,000 other particles, unbiased, mean with its sign",
            f"{apart.mean():.1e}",
            f"exact motion {floor.mean():.1e}; particles that stay {still.mean():.1e}",
        ),
    ]


# ------------------------------------------------------------------ entropic


def entropic_ou() -> list[Row]:
    """Ornstein–Uhlenbeck."""
    return _entropic(entropic.OrnsteinUhlenbeck(), entropic.OrnsteinUhlenbeck())


def entropic_well() -> list[Row]:
    """Double well."""
    rng = np.random.default_rng(0)
    return _entropic(entropic.DoubleWell.simulated(rng), entropic.DoubleWell.simulated(rng))


def _entropic(q: Any, fresh: Any) -> list[Row]:
    rng = np.random.default_rng(1)
    stop = q.times[1]
    times = np.linspace(0, stop, 6)
    truth = [fresh.sample(np.full(2_000, t), rng) for t in times]
    again = [fresh.sample(np.full(2_000, t), rng) for t in times]
    rows, drawn = [], {}
    for action, options in (
        ("kernel", {"n_features": 500, "particles": 100_000}),
        ("mlp", {"steps": 2_000, "width": 64}),
    ):
        objective = cellam.Objective(sigma=q.sigma)
        with timed() as clock:
            fitted = cellam.fit_action(q, objective, action, times=q.times, **options)
        errors, size = [], []
        for t in np.linspace(0, stop, 21)[1:-1]:
            x = fresh.sample(np.full(2_000, t), rng)
            errors.append(((fitted.velocity(t, x) - q.drift(x)) ** 2).mean())
            size.append((q.drift(x) ** 2).mean())
        moved = fitted.simulate(truth[0], times).points
        gaps = [distance(moved[k], truth[k]) for k in range(1, 6)]
        floor = [distance(again[k], truth[k]) for k in range(1, 6)]
        drawn[action] = moved
        rows += [
            Row(
                "entropic",
                f"{q.name}, {action}",
                "relative error of the drift, under q_t",
                f"{np.sqrt(np.mean(errors) / np.mean(size)):.3f}",
                "0: exact",
                clock.wall,
                clock.cpu,
            ),
            Row(
                "entropic",
                f"{q.name}, {action}",
                "energy distance of simulated marginals, mean of 5 times",
                f"{np.mean(gaps):.1e}",
                f"fresh samples {np.mean(floor):.1e}; cloud at the start "
                f"{np.mean([distance(truth[0], truth[k]) for k in range(1, 6)]):.1e}",
            ),
        ]
    curves(
        KEPT / f"entropic-{'ou' if q.times[1] == 2 else 'well'}.png",
        [truth, drawn["kernel"], drawn["mlp"]],
        ["fresh samples", "kernel", "mlp"],
        [f"t = {t:.1f}" for t in times],
    )
    return rows


# ------------------------------------------------------------------ unbalanced


def unbalanced_mixture() -> list[Row]:
    """Two Gaussians that grow and shrink in place."""
    q = unbalanced.GrowingMixture()
    masses = np.array([q.truth.mass(t) for t in TIMES])
    shares = np.array([q.truth.weight(t) for t in TIMES])
    return _unbalanced(
        q, masses, shares, lambda x, w: float(w[x[:, 0] > 0].sum() / w.sum()), "share of the right"
    )


def unbalanced_geodesic() -> list[Row]:
    """Wasserstein–Fisher–Rao."""
    q = unbalanced.Geodesic()
    truth = [q.mass_and_mean(t) for t in TIMES]
    rows = _unbalanced(
        q,
        np.array([m for m, _ in truth]),
        np.array([x[0] for _, x in truth]),
        lambda x, w: float(w @ x[:, 0] / w.sum()),
        "mean of x₁",
    )
    point = unbalanced.dirac_mass(np.array([0.5]))[0]
    note = f"least mass {truth[5][0]:.4f} on the grid, {point:.4f} between two points (closed form)"
    return [row._replace(note=note) if "mass over" in row.measure else row for row in rows]


def _unbalanced(
    q: Any, masses: np.ndarray, truth: np.ndarray, statistic: Any, name: str
) -> list[Row]:
    rng = np.random.default_rng(1)
    x, weight = q.sample(np.zeros(5_000), rng)
    rows, found = [], {}
    for action, options in (
        ("kernel", {"n_features": 500, "particles": 100_000}),
        ("mlp", {"steps": 2_000, "width": 64}),
    ):
        with timed() as clock:
            fitted = cellam.fit_action(q, cellam.Objective(growth_scale=1.0), action, **options)
        moved = fitted.simulate(x, TIMES)
        w = weight / len(x) * np.exp(moved.log_weights)
        mass, value = (
            w.sum(1),
            np.array([statistic(p, u) for p, u in zip(moved.points, w, strict=True)]),
        )
        found[action] = mass, value
        rows += [
            Row(
                "unbalanced",
                f"{q.name}, {action}",
                "mass over time, greatest relative error",
                f"{np.abs(mass / masses - 1).max():.3f}",
                f"mass {masses.min():.3f} to {masses.max():.3f}",
                clock.wall,
                clock.cpu,
            ),
            Row(
                "unbalanced",
                f"{q.name}, {action}",
                f"{name} over time, greatest error",
                f"{np.abs(value - truth).max():.3f}",
                f"{truth[0]:.2f} to {truth[-1]:.2f}",
            ),
        ]
    clouds(KEPT / f"{q.name.replace(' ', '-')}.png", TIMES, masses, truth, found, name)
    return rows


# ------------------------------------------------------------------ generation


def generation_moons() -> list[Row]:
    """8 Gaussians to two moons."""
    rng = np.random.default_rng(0)
    x_0 = generation.eight_gaussians(2_000, rng)
    test, again = (generation.two_moons(2_000, rng) for _ in range(2))
    ends = (generation.eight_gaussians, generation.two_moons)
    made, rows = _generate(ends, x_0, steps=2_000, batch=512, width=128, depth=3, kernel=True)
    out = []
    for name, (x, clock) in made.items():
        out.append(
            Row(
                "generation",
                f"8 Gaussians to two moons, {name}",
                "energy distance to fresh moons",
                f"{distance(x, test):.4f}",
                f"other moons {distance(again, test):.4f}; 8 Gaussians {distance(x_0, test):.2f}",
                clock.wall,
                clock.cpu,
                rows.get(name, ""),
            )
        )
    panels(
        KEPT / "generation-moons.png",
        [[test, *(x for x, _ in made.values())]],
        ["fresh moons", *made],
        [""],
        range_=(-6, 8),
    )
    return out


def generation_digits() -> list[Row]:
    """8 × 8 digits with their labels."""
    from sklearn.svm import SVC

    rng = np.random.default_rng(0)
    train, test = generation.digits(rng)
    classifier = SVC(gamma=0.02, C=10).fit(train[:, :64], train[:, 64:].argmax(1))

    def accuracy(x: np.ndarray) -> float:
        return float((classifier.predict(x[:, :64]) == x[:, 64:].argmax(1)).mean())

    x_0 = rng.standard_normal((1_000, 74))
    ends = (generation.noise(74), generation.Rows(train))
    made, notes = _generate(ends, x_0, steps=2_000, batch=256, width=256, depth=3, kernel=False)
    rows = []
    for name, (x, clock) in made.items():
        rows += [
            Row(
                "generation",
                f"digits, {name}",
                "energy distance to held-out digits",
                f"{distance(x, test):.3f}",
                f"digits fitted to {distance(train, test):.3f}; noise {distance(x_0, test):.2f}",
                clock.wall,
                clock.cpu,
                notes.get(name, ""),
            ),
            Row(
                "generation",
                f"digits, {name}",
                "label generated with an image is that of a classifier of real digits",
                f"{100 * accuracy(x):.1f} %",
                f"held-out digits {100 * accuracy(test):.1f} %",
            ),
        ]
    digits_page(
        KEPT / "generation-digits.png",
        {"held out": test, **{name: x for name, (x, _) in made.items()}},
    )
    return rows


def _generate(
    ends: tuple[Any, Any],
    x_0: np.ndarray,
    *,
    steps: int,
    batch: int,
    width: int,
    depth: int,
    kernel: bool,
) -> tuple[dict[str, tuple[np.ndarray, Clock]], dict[str, str]]:
    network = {"action": "mlp", "steps": steps, "batch": batch, "width": width, "depth": depth}
    weighted = cellam.Objective(time_weight=lambda t: 1 - t)
    runs: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "samples, w = 1": (generation.Interpolant(*ends), None, network),
        "samples, w = 1 − t": (generation.Interpolant(*ends), weighted, network),
        "path, w = 1": (generation.MovingInterpolant(*ends), None, network),
        "path, w = 1 − t": (generation.MovingInterpolant(*ends), weighted, network),
    }
    if kernel:
        closed = {"action": "kernel", "n_features": 1_000, "particles": 100_000}
        runs["kernel, samples"] = (generation.Interpolant(*ends), None, closed)
        runs["kernel, path"] = (generation.MovingInterpolant(*ends), None, closed)
    made, notes = {}, {}
    for name, (q, objective, options) in runs.items():
        with timed() as clock:
            fitted = cellam.fit_action(q, objective, **options)
        made[name] = fitted.simulate(x_0, [0.0, 1.0]).points[-1], clock
        notes[name] = fitted.fit.notes[0] if options is network else fitted.fit.notes[-1]
        print(f"  {name}: {clock.wall:.0f} s", file=sys.stderr, flush=True)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    with timed() as clock:
        flow = generation.FlowMatching(
            generation.Interpolant(*ends), d=x_0.shape[1], width=width, depth=depth
        )
        flow.fit(steps, batch, rng)
    made["conditional flow matching"] = flow.simulate(x_0), clock
    notes["conditional flow matching"] = f"all {steps} steps"
    return made, notes


EXPERIMENTS = {
    "schrodinger-kernel": schrodinger_kernel,
    "schrodinger-mlp": schrodinger_mlp,
    "entropic-ou": entropic_ou,
    "entropic-well": entropic_well,
    "unbalanced-mixture": unbalanced_mixture,
    "unbalanced-geodesic": unbalanced_geodesic,
    "generation-moons": generation_moons,
    "generation-digits": generation_digits,
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
        about = (HERE / "experiments" / "ABOUT.md").read_text("utf-8")
        (HERE / "PAPER.md").write_text(f"# The paper's experiments\n\n{text}\n\n{about}", "utf-8")


if __name__ == "__main__":
    main()
