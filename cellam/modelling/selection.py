"""Selection: what a fit leaves to be chosen, judged on the training days alone.

How strongly mass may change is chosen by predicting inner training days (`trials`). How far to go
by what is given besides the cells has a rule for each: growth that is expected (`prior_share`),
barcodes (`clone_share`), velocities (`velocity_share`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellam.dynamics.couplings import Balanced, Coupling, Unbalanced
from cellam.dynamics.curves import CURVATURE
from cellam.dynamics.fitting import OnProgress, silent
from cellam.dynamics.objectives import Objective
from cellam.errors import TrainingError
from cellam.modelling.clone_share import choose_clones
from cellam.modelling.islands import find_islands
from cellam.modelling.prior_share import choose_prior
from cellam.modelling.recipe import Because, Choice, Part, Reason, Recipe
from cellam.modelling.trials import CELLS, Trials
from cellam.modelling.velocity_share import choose_velocity
from cellam.reading.snapshots import Snapshots

TAUS = (0.1, 0.3, 1.0)
TAU = 1.0  # where fewer than three training days leave nothing to judge by
KEPT = 0.5  # share of the gain over balanced transport that may be given up for less growth


def choose_recipe(
    snapshots: Snapshots,
    objective: Objective,
    rng: np.random.Generator,
    *,
    coupling: Coupling | None = None,
    curvature: float | None = None,
    on_progress: OnProgress = silent,
) -> Choice:
    """Choose what is not given: the shares of the prior and of the clones, and the coupling.

    The curvature is not chosen: of 0, ½ and 1, the one that one or two inner days favour predicts
    other days no better than 1 does everywhere (36 held-out days of 12 data sets: energy 0.71
    times that of straight transport by either, and 0.88 without curvature).

    Parameters
    ----------
    snapshots : Snapshots
        The training days.
    objective : Objective
        Without growth only balanced transport makes sense.
    rng : numpy.random.Generator
    coupling, curvature : optional
        What the user asks for.

    Returns
    -------
    Choice
        With the largest τ that keeps half of what relaxing the mass gains over balanced
        transport, and a fixed τ where there are fewer than three days. The smallest energy
        distance alone would favour small τ even where it hardly matters, and small τ costs
        growth: its births and deaths mend the prediction wherever it is wrong (on the demo
        data growth correlates with the truth by 0.90 at τ 1, 0.83 at 0.3 and 0.71 at 0.1).
    """
    clones: tuple[tuple[str, float], ...] = ()
    reasons: dict[Part, Reason] = {}
    if snapshots.clones is not None:
        usual = Unbalanced(TAU) if objective.grows else Balanced()
        # Random numbers of its own: without a share, the fit is the one without barcodes.
        clones, reasons["clones"] = choose_clones(snapshots, coupling or usual, rng.spawn(1)[0])
    few = snapshots.with_clones(dict(clones)).thinned(CELLS, rng)
    trials = Trials(few, objective, int(rng.integers(2**63)), on_progress)
    couplings: tuple[Coupling, ...]
    prior = 0.0
    if few.prior is not None:
        prior, reasons["prior"] = choose_prior(
            few, coupling if isinstance(coupling, Unbalanced) else Unbalanced(TAU)
        )
    bend = CURVATURE if curvature is None else curvature
    if coupling is not None:
        couplings, reasons["coupling"] = (coupling,), Reason("asked")
    else:
        couplings, reasons["coupling"] = _choose_coupling(trials, bend, prior, clones)
        coupling = couplings[-1]
    if not coupling.moves:
        return Choice(Recipe(coupling, 0.0), reasons, couplings)
    if len(snapshots) > 2:  # two days lie on one line
        reasons["curvature"] = Reason("default" if curvature is None else "asked")
    recipe = Recipe(coupling, bend, prior, clones)
    if snapshots.velocities is not None:
        share, reasons["velocity"] = choose_velocity(
            snapshots, recipe, objective, rng.spawn(1)[0], on_progress
        )
        recipe = replace(recipe, velocity=share)
    return Choice(recipe, reasons, couplings)


def _choose_coupling(
    trials: Trials, curvature: float, prior: float, clones: tuple[tuple[str, float], ...]
) -> tuple[tuple[Coupling, ...], Reason]:
    """The couplings that predict well enough, the chosen one last."""
    if not trials.objective.grows:
        return (Balanced(),), Reason("conserved")
    relaxed = [Unbalanced(tau) for tau in TAUS]
    if len(trials.days) < 3:
        return tuple(relaxed), Reason("too few days")
    candidates: list[Coupling] = [*relaxed, Balanced()]
    recipes = [Recipe(c, curvature, prior, clones) for c in relaxed]
    recipes.append(
        Recipe(candidates[-1], curvature, clones=clones)
    )  # expected growth, imposed, is no candidate
    means = trials.run("choose the path", recipes)
    if not np.isfinite(means).any():
        raise TrainingError(
            "No coupling predicts an inner training day with finite values.",
            "Use `path='ot'`, and check the representation for extreme values.",
        )
    balanced, best = means[-1], np.nanmin(means)
    enough = best + KEPT * (balanced - best) if np.isfinite(balanced) else best
    # Among candidates that all predict nearly perfectly, noise would decide.
    enough = max(enough, best + trials.noise())
    good = [k for k, mean in enumerate(means) if mean <= enough]
    without: Because = "no gain" if good[-1] == len(TAUS) else "least growth"
    because: Because = "predicts best" if means[good[-1]] == best else without
    against = _against_none(trials, prior) if good[-1] == len(TAUS) else None
    if against is not None:
        because = against
        good = [min(k, len(TAUS) - 1) for k in good]
    names = [candidate.label for candidate in candidates]
    found = tuple(candidates[k] for k in sorted(set(good)))
    return found, trials.reason(because, names, means)


def _against_none(trials: Trials, prior: float) -> Because | None:
    """What speaks against it that nobody grows, where that predicts as well as growth does."""
    if prior:
        return "prior grows"
    # Between them nobody was seen, whom balanced transport would have to send across.
    if find_islands(trials.days, np.random.default_rng(0)).grow_apart:
        return "parts grow"
    return "one day" if len(trials.inner) == 1 else None
