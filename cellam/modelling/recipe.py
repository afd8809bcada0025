"""Recipe: how the path of a fit is made, and why so.

A choice is data: what was chosen, the candidates with their scores, and what else the training days
left open. The run keeps it, refits and ensembles draw from it, and sentences are made of it
where they are printed (`cellam.report.wording`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from cellam.dynamics.couplings import COUPLINGS, Coupling
from cellam.dynamics.curves import CURVATURE, curve
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import Path, build_path
from cellam.dynamics.velocities import bend_by_velocities
from cellam.reading.snapshots import Snapshots

Part: TypeAlias = Literal["prior", "clones", "coupling", "curvature", "velocity"]
Because: TypeAlias = Literal[
    "asked",  # by the user
    "conserved",  # the method conserves mass
    "too few days",  # to judge by: the default
    "least growth",  # that keeps most of the gain over balanced transport
    "no gain",  # over balanced transport by growth, but for noise
    "one day",  # predicts best without growth, which one day cannot rule out
    "parts grow",  # predicts best without growth, which parts that exchange no cells contradict
    "prior grows",  # predicts best without growth, which the prior that is used contradicts
    "default",
    "predicts best",
    "nothing better",  # the default
    "cheapest",  # share of a prior
    "not cheaper",  # a prior of which nothing is used
    "nearer",  # sisters of clones that were held out are, with this share of what clones tell
    "not nearer",  # so that nothing of it is used
    "few clones",  # to judge by
    "predicts better",  # than without given velocities, clearly
    "not better",  # with velocities, so that none is used
    "no velocities",  # of any training cell
    "not recorded",  # by the version that made the fit
]
SURE = 1.645  # standard errors by which a share of what is given has to help: one-sided 5 %


@dataclass(frozen=True)
class Recipe:
    """What makes the path: how days are paired, and how far the lines are bent.

    `prior` is the share of the growth expected beforehand that is taken for true, `clones` how far
    the cells of some days, by label, are carried by what their clones tell before they are paired
    (`dynamics.lineage`), and `velocity` how far lines bend by given velocities
    (`dynamics.velocities`).
    """

    coupling: Coupling
    curvature: float = CURVATURE
    prior: float = 0.0
    clones: tuple[tuple[str, float], ...] = ()
    velocity: float = 0.0

    def applied(self, days: Snapshots) -> Snapshots:
        """Days with as much of their growth prior and of their clones as the recipe takes."""
        return days.with_prior(self.prior).with_clones(dict(self.clones))

    def path(self, days: Snapshots, objective: Objective, rng: np.random.Generator) -> Path:
        """The path through days to which it was `applied`."""
        straight = build_path(days, self.coupling, rng, sigma=objective.sigma)
        path = curve(straight, self.curvature)
        return bend_by_velocities(path, days, self.velocity, objective, rng)


@dataclass(frozen=True)
class Reason:
    """Why a part of the recipe is what it is.

    Parameters
    ----------
    because : str
        One of `Because`.
    scores : dict of str to float
        Of every candidate that was tried, in their order: the mean energy distance of predicted
        to measured cells; for the prior the price of transport, for the clones the distance of
        sisters. nan where a candidate failed.
    days : int
        Inner training days that were held out for them.
    """

    because: Because
    scores: dict[str, float] = field(default_factory=dict)
    days: int = 0


@dataclass(frozen=True)
class Choice:
    """A recipe, and the reason for each of its parts.

    Parameters
    ----------
    recipe : Recipe
    reasons : dict of Part to Reason
        "prior" only where growth was expected, "clones" only with barcodes, "curvature" only where
        lines can bend, "velocity" only where cells have one.
    couplings : tuple
        All that the training days leave open; the recipe's is the last of them.
    """

    recipe: Recipe
    reasons: dict[Part, Reason]
    couplings: tuple[Coupling, ...]


def choice_to_json(choice: Choice) -> dict[str, Any]:
    """A choice as values that JSON can hold."""
    return {
        "path": coupling_to_json(choice.recipe.coupling),
        "curvature": choice.recipe.curvature,
        "prior": choice.recipe.prior,
        "clones": dict(choice.recipe.clones),
        "velocity": choice.recipe.velocity,
        "reasons": {part: _reason_to_json(reason) for part, reason in choice.reasons.items()},
        "open_paths": [coupling_to_json(coupling) for coupling in choice.couplings],
    }


def choice_from_json(stored: Mapping[str, Any]) -> Choice:
    """The choice that `choice_to_json` was given.

    Raises
    ------
    KeyError, TypeError
        If something is missing or not what belongs there.
    """
    reasons = {
        part: Reason(
            reason["because"],
            {name: float("nan") if s is None else s for name, s in reason["scores"].items()},
            reason["days"],
        )
        for part, reason in stored["reasons"].items()
    }
    return Choice(
        Recipe(
            _coupling_from_json(stored["path"]),
            stored["curvature"],
            stored["prior"],
            tuple(stored.get("clones", {}).items()),  # older runs have none
            stored.get("velocity", 0.0),
        ),
        reasons,
        tuple(_coupling_from_json(coupling) for coupling in stored["open_paths"]),
    )


def coupling_to_json(coupling: Coupling) -> dict[str, Any]:
    """A coupling as its name and its parameters."""
    return {"name": coupling.name, **vars(coupling)}


def _coupling_from_json(stored: Mapping[str, Any]) -> Coupling:
    parameters = {name: value for name, value in stored.items() if name != "name"}
    coupling: Coupling = COUPLINGS[stored["name"]](**parameters)
    return coupling


def _reason_to_json(reason: Reason) -> dict[str, Any]:
    # JSON has no nan.
    scores = {name: s if s == s else None for name, s in reason.scores.items()}
    return {**asdict(reason), "scores": scores}
