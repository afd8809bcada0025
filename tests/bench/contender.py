"""cellam as a predictor for ../shared/bench/protocol.py, on the defaults of `cellam.fit`."""

from __future__ import annotations

import time
from typing import Any

import anndata
import numpy as np
import pandas as pd

import cellam
from cellam.report.wording import explain

N_MAX = 2_500  # points of a predicted cloud, as for all others


def _fit(points: list[np.ndarray], times: np.ndarray, seed: int, **options: Any) -> cellam.Model:
    x = np.concatenate(points)
    day = np.repeat(np.asarray(times, dtype=float), [len(p) for p in points])
    obs = pd.DataFrame({"day": day}, index=[f"cell{i}" for i in range(len(x))])
    adata = anndata.AnnData(np.zeros((len(x), 1), np.float32), obs=obs, obsm={"X_rep": x})
    cells = cellam.read(adata, time_key="day", use_rep="X_rep")
    return cellam.fit(cells, seed=seed, **options)


def predict(
    train_points: list[np.ndarray],
    train_times: np.ndarray,
    x_prev: np.ndarray,
    t_prev: float,
    t_query: float,
    dims: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Both neighbours of the held-out time, thinned to as many points as the earlier has cells."""
    began = time.perf_counter()
    model = _fit(train_points, train_times, seed)
    fitted = time.perf_counter()
    x, w = model.predict(t_query, n_cells=min(len(x_prev), N_MAX), seed=seed)
    seconds = {"fit_s": fitted - began, "predict_s": time.perf_counter() - fitted}
    return (
        model.space.to_coordinates(x),
        len(x_prev) * w,
        {**seconds, "chosen": explain(model)},
    )


def simulate(
    train_points: list[np.ndarray],
    train_times: np.ndarray,
    x_prev: np.ndarray,
    t_prev: float,
    t_query: np.ndarray,
    dims: int,
    seed: int,
) -> tuple[list[np.ndarray], list[np.ndarray], dict[str, Any]]:
    """All times from the cells of the first, where their numbers are those of the population."""
    began = time.perf_counter()
    model = _fit(train_points, train_times, seed, population="cells")
    fitted = time.perf_counter()
    moved = model.simulate(model.timeline.labels[0], seed=seed)
    seconds = {"fit_s": fitted - began, "predict_s": time.perf_counter() - fitted}
    return list(moved.points[1:]), list(np.exp(moved.log_weights[1:])), seconds


simulate.many = True  # type: ignore[attr-defined]
