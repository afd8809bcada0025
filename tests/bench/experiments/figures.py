"""Figures of the paper's experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

INK, COLOURS = "#33415c", ("#33415c", "#c8553d", "#3d8b7d")


def _save(figure: plt.Figure, target: Path) -> None:
    figure.savefig(target, dpi=110, bbox_inches="tight")
    plt.close(figure)


def panels(
    target: Path,
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    names: Sequence[str],
    *,
    range_: tuple[float, float],
) -> None:
    """Densities in the plane, a row for each of `names` and a column for each of `titles`."""
    k, n = len(rows), len(titles)
    figure, axes = plt.subplots(k, n, figsize=(2 * n, 2.1 * k), squeeze=False)
    edges = np.linspace(*range_, 61)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8)
    for row, name, line in zip(axes, names, rows, strict=True):
        row[0].set_ylabel(name)
        for axis, x in zip(row, line, strict=True):
            axis.hist2d(x[:, 0], x[:, 1], bins=[edges, edges], cmap="magma")
            axis.set(xticks=[], yticks=[], aspect="equal")
    _save(figure, target)


def curves(
    target: Path,
    sets: Sequence[Sequence[np.ndarray]],
    names: Sequence[str],
    titles: Sequence[str],
) -> None:
    """Histograms of the first coordinate at several times."""
    figure, axes = plt.subplots(1, len(titles), figsize=(2.4 * len(titles), 2.2), sharex=True)
    edges = np.linspace(*np.percentile(np.concatenate(sets[0])[:, 0], [0.1, 99.9]), 41)
    for k, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        for points, name, colour in zip(sets, names, COLOURS, strict=True):
            axis.hist(
                points[k][:, 0], edges, density=True, histtype="step", color=colour, label=name
            )
        axis.set_title(title, fontsize=9)
        axis.set_yticks([])
    axes[0].legend(fontsize=7, frameon=False)
    _save(figure, target)


def clouds(
    target: Path,
    times: np.ndarray,
    masses: np.ndarray,
    truth: np.ndarray,
    found: dict[str, tuple[np.ndarray, np.ndarray]],
    name: str,
) -> None:
    """Mass and one more number over time, beside the truth."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.6))
    for k, (axis, exact, label) in enumerate(
        zip(axes, (masses, truth), ("mass", name), strict=True)
    ):
        axis.plot(times, exact, color=COLOURS[0], lw=3, alpha=0.4, label="truth")
        for (action, values), colour in zip(found.items(), COLOURS[1:], strict=True):
            axis.plot(times, values[k], color=colour, label=action)
        axis.set(xlabel="t", ylabel=label)
    axes[0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    _save(figure, target)


def digits_page(target: Path, sets: dict[str, np.ndarray]) -> None:
    """Twelve images of each set, with the label that came with each."""
    figure, axes = plt.subplots(len(sets), 12, figsize=(9, 0.95 * len(sets)))
    for row, (name, x) in zip(axes, sets.items(), strict=True):
        for axis, image in zip(row, x, strict=False):
            axis.imshow(image[:64].reshape(8, 8), cmap="gray_r", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.set_title(str(image[64:].argmax()), fontsize=6, pad=1)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
    _save(figure, target)
