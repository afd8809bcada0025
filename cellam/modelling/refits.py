"""Refits: the same fit to other cells, which shows how far its answers rest on those it saw.

Half of the cells of each training day are drawn without replacement, and the action is fitted to
them with features of its own; a function of half of n cells scatters about its mean as that of
all n does about the truth [1]_. The coupling is drawn among those that the choice leaves open,
since other cells could have led to another. Unlike in an ensemble (`ensemble`), every day stays
and the bend is the one chosen. The space stays too: on the demo data, another PCA moves the score
of a held-out day a quarter as far as another fit does.

References
----------
.. [1] Shao and Wu, A general theory for jackknife variance estimation, Annals of Statistics 17
   (1989): of d cells left out of n, the variance is that over the subsamples times (n − d)/d.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cellam.devices import choose_device
from cellam.dynamics.actions import Kernel
from cellam.dynamics.fitting import Fit
from cellam.dynamics.masses import keep_masses
from cellam.errors import ConfigError
from cellam.executors.executor import in_order
from cellam.limits import REFITTED
from cellam.modelling.ensemble import draw_coupling, fit_recipe
from cellam.modelling.model import Model
from cellam.modelling.recipe import Recipe
from cellam.options import Options
from cellam.reading.snapshots import Snapshots

LEAST = 4  # of fewer models a variance says nothing


@dataclass(frozen=True)
class Refits:
    """Models that differ from one another by the cells that they were fitted to.

    Parameters
    ----------
    models : tuple of Model
    scale : float
        The variance of an answer over cells is that over the models times this.
    """

    models: tuple[Model, ...]
    scale: float


def refit(model: Model, K: int) -> Refits:
    """Fit a model K times more, each to half of the cells of its training days.

    Parameters
    ----------
    model : Model
    K : int
        0, or at least 4.

    Returns
    -------
    Refits
        Each has all cells in its snapshots, so it predicts from the same as `model` does.
    """
    options = model.options
    if effective_refits(options, K) == 0:
        return Refits((), 0.0)
    alone = model.without_ensemble()
    seeds = np.random.SeedSequence((options.seed, 2)).spawn(K)
    found = list(in_order(_fit_half, alone, seeds))
    n, N = found[-1][1], model.training.n_cells
    return Refits(tuple(replace(alone, fit=fit) for fit, _ in found), n / (N - n))


def _fit_half(model: Model, seed: np.random.SeedSequence) -> tuple[Fit, int]:
    """A fit to half of the training cells, and how many these are."""
    options, choice, rng = model.options, model.choice, np.random.default_rng(seed)
    days = model.training.halved(rng).thinned(min(REFITTED, options.max_cells), rng)
    recipe = replace(choice.recipe, coupling=draw_coupling(choice, rng))
    return fit_to_score(model, days, recipe, rng), days.n_cells


def fit_to_score(model: Model, days: Snapshots, recipe: Recipe, rng: np.random.Generator) -> Fit:
    """The fit of a model made anew to some of its cells, to be scored and not to be kept.

    It is held to the masses of the days (`dynamics.masses`), a third of its time, only where
    populations are given, so that the mass is scored. All other scores are of shares of the cells
    that start on one day, and what is taken off their growth rates is the same for all of them.
    """
    options = model.options
    device = choose_device(options.device)
    fit = fit_recipe(days, recipe, model.fit.objective, options, rng, device)
    return fit if options.population is None else keep_masses(fit, days, rng)


def check_refits(K: int) -> None:
    """Refuse numbers of refits of which no interval can be made.

    Raises
    ------
    ConfigError
        For one to three, or less than none.
    """
    if K < 0 or 0 < K < LEAST:
        raise ConfigError(
            f"`refits={K!r}`: too few fits for an interval.",
            f"Use at least {LEAST}, or 0 for none.",
        )


def effective_refits(options: Options, K: int) -> int:
    """How often a fit with these options is done again if K times are asked for.

    A network is not: one takes as long as everything else.

    Raises
    ------
    ConfigError
        As `check_refits`.
    """
    check_refits(K)
    return K if options.action == Kernel.name else 0
