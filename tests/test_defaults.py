"""Defaults: what those get who ask for nothing. To change one is to change the program."""

from __future__ import annotations

from dataclasses import asdict

from cellam.dynamics.couplings import Unbalanced
from cellam.modelling.pipeline import GROWTH_SCALE, SIGMA, STEPS
from cellam.options import Options


def test_a_fit_has_these_options_unless_told() -> None:
    reading = ("time_key", "time_map", "use_rep", "layer", "values", "growth_prior", "batch_key")
    chosen = ("n_pcs", "n_top_genes", "sigma", "growth_scale", "path", "tau", "curvature", "steps")
    absent = ("population", "ensemble", "threads", "replicate", "clones", "velocity")
    assert Options().model_dump() == {
        **dict.fromkeys((*reading, *chosen, *absent)),
        "whiten": False,
        "allow_confounded": False,
        "method": "uam",
        "growth": "own",
        "action": "kernel",
        "max_cells": 25_000,
        "n_features": 1_000,
        "exclude": (),
        "seed": 0,
        "device": "auto",
    }
    # In units of the data and of the days; the help names them too.
    assert (SIGMA, GROWTH_SCALE, STEPS) == (0.3, 1.0, 3_000)


def test_unbalanced_transport_has_these_prices_unless_told() -> None:
    assert asdict(Unbalanced()) == {"tau": 1.0, "entropy": 0.01}
