"""Pipeline: a fit in one place. Cells → space → snapshots → path → action.

Every stage has random numbers of its own, so a change to one leaves the others, and a
stage that was kept in a checkpoint can be left out.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from cellam.checkpoints import Checkpoint
from cellam.coordinates.embedding import fit_points
from cellam.devices import choose_device, threads
from cellam.dynamics.actions import Features, Kernel
from cellam.dynamics.couplings import COUPLINGS, Coupling, Pairs, Unbalanced
from cellam.dynamics.curves import curve
from cellam.dynamics.fitting import (
    Fit,
    OnProgress,
    Progress,
    add_growth,
    draw_features,
    fit_kernel,
    silent,
)
from cellam.dynamics.masses import keep_masses
from cellam.dynamics.objectives import Objective
from cellam.dynamics.paths import Path, build_gap, join
from cellam.dynamics.training import fit_mlp
from cellam.dynamics.velocities import calibrate
from cellam.errors import ConfigError
from cellam.modelling.agreement import Agreement, measure_agreement
from cellam.modelling.ensemble import fit_ensemble
from cellam.modelling.kinetic import Kinetic, measure_kinetic
from cellam.modelling.model import Model
from cellam.modelling.recipe import Choice, choice_from_json, choice_to_json
from cellam.modelling.rotation import Rotation, measure_rotation
from cellam.modelling.selection import choose_recipe
from cellam.modelling.stored import fit_from, fit_to_arrays, fit_to_json
from cellam.options import GROWTH_SCALE, SIGMA, STEPS, Options
from cellam.reading.cells import Cells
from cellam.reading.clones import read_clones
from cellam.reading.growth import expected_growth
from cellam.reading.samples import replicates_of
from cellam.reading.snapshots import Snapshots, take_snapshots

OF_SPACE = ("exclude", "n_pcs", "n_top_genes", "whiten", "batch_key", "allow_confounded", "seed")


def fit(
    cells: Cells,
    options: Options | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    on_progress: OnProgress = silent,
    **changes: Any,
) -> Model:
    """Learn the dynamics of cells from their days.

    Parameters
    ----------
    cells : Cells
        From `cellam.read`.
    options : Options, optional
    checkpoint : Checkpoint, optional
        Where stages are kept, and those of a fit that was stopped are found again.
    on_progress : callable
        Told how far each stage has come.
    **changes
        Any field of `Options`, e.g. ``method="am", exclude=("day4",), seed=1``.

    Raises
    ------
    ConfigError
        If the options contradict each other or the data.
    DataError
        If there are too few days or cells.
    TrainingError
        If the fit fails.
    Stopped
        If the checkpoint asks for it.
    """
    given = {**(options or Options()).model_dump(), **changes}
    options = Options(**given | {"batch_key": given["batch_key"] or cells.reading.batch_key})
    checkpoint = Checkpoint() if checkpoint is None else checkpoint
    return _fit(cells, options, None, checkpoint, on_progress)


def fit_beside(model: Model, cells: Cells, options: Options) -> Model:
    """Fit the cells of a model once more, in its space: with growth, say, where it has none.

    The options are those of the model, but for what comes after the space.
    """
    assert all(getattr(options, name) == getattr(model.options, name) for name in OF_SPACE)
    return _fit(cells, options, model, Checkpoint(), silent)


def _fit(
    cells: Cells,
    options: Options,
    known: Model | None,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> Model:
    """Learn the dynamics, in the space of a fit that is known to these cells, or in a new one."""
    began = time.monotonic()
    options = _completed(options, cells)
    with threads(options.threads):
        device = choose_device(options.device)
        labels = cells.timeline.labels
        used = [k for k, label in enumerate(labels) if label not in options.exclude]
        seen = np.isin(cells.codes, used)
        if known is None:
            space, points = fit_points(
                cells,
                seen,
                n_pcs=options.n_pcs,
                n_top_genes=options.n_top_genes,
                whiten=options.whiten,
                allow_confounded=options.allow_confounded,
                seed=options.seed,
            )
        else:
            there = known.snapshots
            space, points = known.space, there.to_data_order(np.concatenate(there.points))
        expected = expected_growth(cells, seen)
        rates = None if expected is None else expected.rates
        clones = read_clones(cells, seen)
        velocities = space.velocities(cells, seen)
        snapshots = take_snapshots(cells, points, options.population, rates, clones, velocities)
        training = snapshots.without(options.exclude)
        found = _fit_action(training, options, device, checkpoint, on_progress)
        members = fit_ensemble(
            training,
            found.choice,
            found.fit.objective,
            options,
            # Of its own, so that the fit itself is the same with and without an ensemble.
            seed=np.random.SeedSequence((options.seed, 1)),
            device=device,
            checkpoint=checkpoint,
            on_progress=on_progress,
        )
    return Model(
        options,
        cells.timeline,
        space,
        snapshots,
        found.fit,
        found.choice,
        found.rotation,
        time.monotonic() - began,
        members,
        None if expected is None else expected.source,
        found.kinetic,
        found.agreement,
    )


def _completed(options: Options, cells: Cells) -> Options:
    """The options with how the cells were read, so that the same can be read again.

    Raises
    ------
    ConfigError
        If they name what the cells were read without, or days that there are not.
    """
    for name in ("growth_prior", "batch_key", "clones", "velocity"):
        value = getattr(options, name)
        if value not in (None, getattr(cells.reading, name)):
            raise ConfigError(
                f"The cells were read without `{name}={value!r}`.",
                f"Read them again: cellam.read(…, {name}={value!r}).",
            )
    options = Options(**(options.model_dump() | cells.reading.model_dump()))
    found: dict[str, Any] = {"exclude": cells.excluded(options.exclude)}
    # They do not change the fit; what was found is kept with it.
    replicates = replicates_of(cells)
    if replicates is not None:
        found["replicate"] = replicates.key
    return options.model_copy(update=found)


class _Found(NamedTuple):
    """A fit, and what was chosen and measured on the way."""

    fit: Fit
    rotation: Rotation
    kinetic: Kinetic | None
    choice: Choice
    agreement: Agreement | None


def _fit_action(
    training: Snapshots,
    options: Options,
    device: str,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> _Found:
    choosing, pairing, drawing, fitting, measuring, thinning, agreeing = _streams(options)
    objective = Objective(
        sigma=(options.sigma or SIGMA) if options.has_noise else 0.0,
        growth_scale=(options.growth_scale or GROWTH_SCALE)
        if options.has_growth and options.growth == "tied"
        else 0.0,
        own_growth=options.has_growth and options.growth == "own",
    )
    training = training.thinned(options.max_cells, thinning)
    choice = _choice(training, objective, options, choosing, checkpoint, on_progress)
    training = choice.recipe.applied(training)
    straight = _path(
        training, choice.recipe.coupling, objective.sigma, pairing, checkpoint, on_progress
    )
    path = curve(straight, choice.recipe.curvature)
    path, agreement = _bent(path, training, choice.recipe.velocity, objective, agreeing)
    if options.action == Kernel.name:
        features = draw_features(training, options.n_features, drawing)
        result = _kernel(path, objective, features, fitting, device, checkpoint, on_progress)
    else:
        result = fit_mlp(
            path,
            objective,
            rng=fitting,
            steps=options.steps or STEPS,
            device=device,
            checkpoint=checkpoint,
            on_progress=on_progress,
        )
    still = None
    if objective.own_growth:
        still = draw_features(training, options.n_features // 2, drawing).time_independent()
    rotation = measure_rotation(straight, training, measuring)
    result = add_growth(result, path.less_total_growth(), still, rng=fitting, device=device)
    result = keep_masses(result, training, fitting)
    kinetic = measure_kinetic(path, choice.recipe.coupling, result, measuring)
    return _Found(result, rotation, kinetic, choice, agreement)


def _bent(
    path: Path, training: Snapshots, share: float, objective: Objective, rng: np.random.Generator
) -> tuple[Path, Agreement | None]:
    """The path bent by given velocities to a share, and how these agree with a fit without them."""
    calibrated = calibrate(training, path, objective, rng)
    if calibrated is None:
        return path, None
    agreement = measure_agreement(training, calibrated, rng)
    return calibrated.bend(path, training, share), agreement


def _streams(options: Options) -> list[np.random.Generator]:
    """Random numbers of the stages: choose, pair, draw features, fit, measure, thin, agree."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence(options.seed).spawn(7)]


def _choice(
    training: Snapshots,
    objective: Objective,
    options: Options,
    rng: np.random.Generator,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> Choice:
    kept = checkpoint.recall("recipe")
    if kept is not None:
        return choice_from_json(kept.values)
    choice = choose_recipe(
        training,
        objective,
        rng,
        coupling=_coupling(options),
        curvature=options.curvature,
        on_progress=on_progress,
    )
    checkpoint.keep("recipe", choice_to_json(choice))
    return choice


def _path(
    training: Snapshots,
    coupling: Coupling,
    sigma: float,
    rng: np.random.Generator,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> Path:
    gaps = []
    for k in range(len(training) - 1):
        kept = checkpoint.recall(f"pairs-{k}")
        if kept is None:
            gap = build_gap(training, k, k + 1, coupling, rng)
            checkpoint.keep(f"pairs-{k}", {"rng": rng.bit_generator.state}, vars(gap.pairs))
        else:
            gap = join(training, k, k + 1, coupling, Pairs(**kept.arrays))
            rng.bit_generator.state = kept.values["rng"]
        gaps.append(gap)
        on_progress(Progress("pair the days", k + 1, len(training) - 1))
    return Path(tuple(gaps), sigma)


def _kernel(
    path: Path,
    objective: Objective,
    features: Features,
    rng: np.random.Generator,
    device: str,
    checkpoint: Checkpoint,
    on_progress: OnProgress,
) -> Fit:
    kept = checkpoint.recall("kernel")
    if kept is not None:
        rng.bit_generator.state = kept.values["rng"]
        return fit_from(kept.arrays, kept.values, objective, features.omega.shape[1])
    result = fit_kernel(path, objective, features, rng=rng, device=device, on_progress=on_progress)
    values = {**fit_to_json(result), "rng": rng.bit_generator.state}
    checkpoint.keep("kernel", values, fit_to_arrays(result))
    return result


def _coupling(options: Options) -> Coupling | None:
    """The coupling that was asked for; None leaves it to the training days."""
    if options.tau is not None:
        return Unbalanced(options.tau)
    if options.path == Unbalanced.name and not options.has_growth:
        return Unbalanced()
    if options.path in (None, Unbalanced.name):
        return None
    return COUPLINGS[options.path]()
