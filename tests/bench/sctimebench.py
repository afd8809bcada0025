"""scTimeBench: cellam as a method of that benchmark, and its protocol in gene space on two sets.

    python tests/bench/sctimebench.py [--write]      # its protocol, here; needs geomloss

Where scTimeBench (MIT) is installed, `Cellam` is a method of it: a `run.py` that ends in
`from sctimebench import Cellam; main(Cellam)`. It writes the files that the metrics ask for.

Followed: values are counts brought to 10,000 and logged (`LogNormPreprocessor`); some days are left
out of training, and the test holds them and the first day (`TestTimepointSelection`); the cells of
each test day are sent to the next test day, also those that were not in the fit; the four metrics
compare all genes, with the parameters of version 0.1.2, and the mean over days is taken. Easy: an
inner day. Medium: the last day, from the first. Hard: both.

Not followed: its data, of six to nineteen days, which cannot be had here, so that easy and medium
are one day and hard is two; its embedding metrics and graphs; its database.

Added: baselines that need no model, and the floor, one half of the day against the other. Masses
become numbers of rows, drawn by weight, as its metrics take none.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scanpy as sc

import cellam

warnings.filterwarnings("ignore")
ROOT = Path(__file__).parents[2]
TIME, TYPE = "scTimeBench_timepoint", "scTimeBench_cell_type"
PLACE = Path(__file__).with_name("SCTIMEBENCH.md")
SETS = {
    "klein": ROOT.parent / "shared" / "data" / "klein_mesc_counts.h5ad",
    "demo": ROOT / "data" / "demo.h5ad",
}
SPLITS = {"easy": (2,), "medium": (3,), "hard": (1, 3)}
Array = np.ndarray

try:
    from scTimeBench.method_utils.method_runner import BaseMethod, main
except ImportError:  # its protocol runs without it
    main = None

    class BaseMethod:  # type: ignore[no-redef]
        """What a method has before it is trained."""

        def __init__(self, config: dict[str, Any]) -> None:
            self.config = config


def dense(X: Any) -> Array:
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)


class Cellam(BaseMethod):
    """A fit to the training days; test cells start as cells that were not in it."""

    def train(self, ann_data: anndata.AnnData, all_tps: list[Any] | None = None) -> None:
        cells = cellam.read(ann_data, time_key=TIME)
        self.known = ann_data
        self.model = cellam.fit(cells, n_top_genes=min(ann_data.n_vars, 5_000))

    def follow(self, test: anndata.AnnData) -> tuple[Array, Array, Array]:
        """Coordinates and weights of each test cell on the next test day; NaN on the last one."""
        times = test.obs[TIME].to_numpy(dtype=float)
        days = np.unique(times)
        points = np.full((len(times), self.model.space.n_dims), np.nan)
        weights = np.full(len(times), np.nan)
        for start, stop in itertools.pairwise(days):
            rows = np.flatnonzero(times == start)
            new = self.model.read(test[rows].copy(), start)
            moved = self.model.simulate(new, to=stop, extrapolate=True)
            points[rows], weights[rows] = moved.points[-1], np.exp(moved.log_weights[-1])
        return points, weights, times

    def generate_embedding(self, test_ann_data: anndata.AnnData) -> Array:
        points = np.empty((test_ann_data.n_obs, self.model.space.n_dims))
        for time in test_ann_data.obs[TIME].unique():
            rows = np.flatnonzero(test_ann_data.obs[TIME] == time)
            cohort = self.model.cohort(self.model.read(test_ann_data[rows].copy(), float(time)))
            points[rows] = self.model.space.to_coordinates(cohort.points)
        return points

    def generate_next_tp_embedding(self, test_ann_data: anndata.AnnData) -> Array:
        return self.follow(test_ann_data)[0]

    def generate_next_tp_gex(self, test_ann_data: anndata.AnnData) -> Array:
        """Expression in the units of X: genes that the PCA left out have their training mean."""
        points, weights, times = self.follow(test_ann_data)
        rng = np.random.default_rng(0)
        for time in np.unique(times)[:-1]:  # masses as numbers of rows
            rows = np.flatnonzero(times == time)
            share = weights[rows] / weights[rows].sum()
            points[rows] = points[rng.choice(rows, len(rows), p=share)]
        there = ~np.isnan(points[:, 0])
        space, names = self.model.space, list(test_ann_data.var_names)
        out = np.tile(dense(self.known.X).mean(0), (len(points), 1))
        decoded = space.decode(space.from_coordinates(points[there]), list(space.genes))
        decoded = np.maximum(decoded, 0.0)
        columns = [names.index(gene) for gene in space.genes]
        out[np.ix_(there, columns)] = np.expm1(decoded) if space.log else decoded
        out[~there] = np.nan
        return out

    def generate_pred_graph(self, test_ann_data: anndata.AnnData) -> Array:
        """Mass that flows between types over the training days, rows to columns, rows sum to 1.

        Types are in alphabetical order.
        """
        types = self.known.obs[TYPE].astype(str)
        names = sorted(types.unique())
        graph = np.zeros((len(names), len(names)))
        labels = self.model.training.labels
        for start, stop in itertools.pairwise(labels):
            found = cellam.predict_fates(self.model, start, types, terminal=stop)
            for row in cellam.flow(self.model, found, types).itertuples():
                if row.source in names:
                    graph[names.index(row.source), names.index(row.target)] += row.before
        return graph / np.maximum(graph.sum(1, keepdims=True), 1e-12)


# ------------------------------------------------------------------ the protocol, without it


def beside(train: anndata.AnnData, time: float) -> tuple[float, float]:
    """Training days before and after a time; the last two of them beyond."""
    days = np.unique(train.obs[TIME].to_numpy(dtype=float))
    k = int(np.clip(np.searchsorted(days, time), 1, len(days) - 1))
    return float(days[k - 1]), float(days[k])


def of_day(adata: anndata.AnnData, time: float) -> Array:
    return dense(adata[adata.obs[TIME] == time].X)


def unchanged(train: anndata.AnnData, start: Array, now: float, then: float) -> Array:
    return start


def nearest(train: anndata.AnnData, start: Array, now: float, then: float) -> Array:
    return of_day(train, min(beside(train, then), key=lambda day: abs(day - then)))


def mixture(train: anndata.AnnData, start: Array, now: float, then: float) -> Array:
    before, after = beside(train, then)
    if then > after:
        return of_day(train, after)
    rng, share = np.random.default_rng(0), (then - before) / (after - before)
    a, b = of_day(train, before), of_day(train, after)
    n = min(len(a), len(b))
    k = round(n * share)
    return np.vstack([a[rng.permutation(len(a))[: n - k]], b[rng.permutation(len(b))[:k]]])


def shifted(train: anndata.AnnData, start: Array, now: float, then: float) -> Array:
    """The nearest training day before, moved by the trend of the means."""
    before, after = beside(train, then)
    slope = (of_day(train, after).mean(0) - of_day(train, before).mean(0)) / (after - before)
    base = after if then > after else before
    return np.maximum(of_day(train, base) + slope * (then - base), 0.0)


BASELINES: dict[str, Callable[..., Array]] = {
    "unchanged": unchanged, "nearest day": nearest, "mixture": mixture, "mean trend": shifted,
}  # fmt: skip


def scores(true: Array, predicted: Array) -> list[float]:
    """Its four metrics: Sinkhorn divergence, Gaussian MMD, energy distance and Hausdorff."""
    import torch
    from geomloss import SamplesLoss

    x, y = torch.as_tensor(true), torch.as_tensor(predicted)
    losses = (
        SamplesLoss("sinkhorn", p=2, blur=0.05, scaling=0.5, debias=True, backend="tensorized"),
        SamplesLoss("gaussian", blur=1.0, debias=True, backend="tensorized"),
        SamplesLoss("energy", blur=1.0, debias=True, backend="tensorized"),
    )
    distance = torch.cdist(x, y)
    farthest = torch.max(distance.min(1).values.max(), distance.min(0).values.max())
    return [*(loss(x, y).item() / x.shape[1] for loss in losses), farthest.item()]


def load(name: str) -> anndata.AnnData:
    adata = anndata.read_h5ad(SETS[name])
    cells = cellam.read(adata)
    adata.obs[TIME] = np.array(cells.timeline.times)[cells.codes]
    sc.pp.filter_genes(adata, min_cells=1)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def split(adata: anndata.AnnData, held: tuple[int, ...]) -> tuple[anndata.AnnData, anndata.AnnData]:
    days = np.unique(adata.obs[TIME])
    out = adata.obs[TIME].isin([days[k] for k in held])
    return adata[~out].copy(), adata[out | (adata.obs[TIME] == days[0])].copy()


def rows(name: str, kind: str) -> dict[str, list[float]]:
    """Scores of every method, the mean over the days of the test but the first."""
    train, test = split(load(name), SPLITS[kind])
    method = Cellam({"output_path": "", "required_outputs": ["embedding.npy"]}) if (
        main is None
    ) else Cellam.__new__(Cellam)  # fmt: skip
    method.train(train)
    expression = method.generate_next_tp_gex(test)
    days = np.unique(test.obs[TIME].to_numpy(dtype=float))
    found: dict[str, list[list[float]]] = {}
    for now, then in itertools.pairwise(days):
        true, start = of_day(test, then), of_day(test, now)
        halves = np.random.default_rng(0).permutation(len(true))
        predicted = {
            "cellam": expression[(test.obs[TIME] == now).to_numpy()],
            **{name: make(train, start, now, then) for name, make in BASELINES.items()},
        }
        for name_, cloud in predicted.items():
            found.setdefault(name_, []).append(scores(true, cloud))
        half = len(true) // 2
        floor = scores(true[halves[:half]], true[halves[half:]])
        found.setdefault("floor", []).append(floor)
    return {name_: np.mean(values, axis=0).tolist() for name_, values in found.items()}


def table() -> str:
    lines = [
        "| data | split | | Wasserstein | MMD | energy | Hausdorff |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name in SETS:
        if not SETS[name].exists():
            print(f"{SETS[name]} is not there: {name} is left out", file=sys.stderr)
            continue
        for kind in SPLITS:
            for method, values in rows(name, kind).items():
                shown = " | ".join(f"{v:.3g}" for v in values)
                lines.append(f"| {name} | {kind} | {method} | {shown} |")
                print(lines[-1], flush=True)
    return "\n".join(lines)


if __name__ == "__main__":
    text = table()
    if "--write" in sys.argv:
        head, _, rest = (__doc__ or "").split("\n\n", 2)
        PLACE.write_text(f"# {head.strip()}\n\n{rest.strip()}\n\n{text}\n")
