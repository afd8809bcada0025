"""The options of a fit: one object, one JSON, one set of flags.

An option stands here once: its type, default, help text, group and limits, and what it contradicts
in the tables of `Conflict`. `None` stands for "chosen from the training data"; what was chosen is
kept with the fit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from cellam.errors import ConfigError
from cellam.option_fields import Group, document, option, refusal
from cellam.pairs import parse_pairs, parse_population

Method = Literal["am", "eam", "uam", "ueam"]
Growth = Literal["own", "tied"]
PathName = Literal["independent", "ot", "uot", "mixture"]
ActionName = Literal["kernel", "mlp"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Kind = Literal["counts", "normalised", "log", "scaled"]  # of expression values

SIGMA = 0.3
GROWTH_SCALE = 1.0
STEPS = 3_000  # of the network, at most
N_PCS = 20
N_TOP_GENES = 2_000
CHOSEN = "chosen on the training days"


class Conflict(NamedTuple):
    """An option that conflicts with others, with a sentence and what to do instead."""

    name: str
    happens: Callable[[Any], bool]  # of the options, where this one is given
    sentence: str  # {name} is an option with its value
    hint: str


class ReadOptions(BaseModel):
    """How cells are read: one object from the options to the file, and back from a run."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        defer_build=True,  # help needs no schema
    )

    time_key: str | None = option(
        None, "Column of obs that holds the time.", Group.CELLS, otherwise="found by its name"
    )
    time_map: dict[str, float] | None = option(
        None,
        "Time of every label, e.g. 'early=0,late=7'.",
        Group.CELLS,
        otherwise="read from the labels",
        form="LABEL=TIME,...",
    )
    use_rep: str | None = option(
        None,
        "Representation to use: a key of obsm, e.g. X_pca.",
        Group.CELLS,
        otherwise="a PCA of the expression",
    )
    layer: str | None = option(
        None, "Layer that holds the expression, or raw.", Group.CELLS, otherwise="X"
    )
    values: Kind | None = option(
        None, "Scale of the expression values.", Group.CELLS, otherwise="inferred from the values"
    )
    replicate: str | None = option(
        None,
        "Column of obs that holds the replicate of each cell (e.g. the mouse or the sample), or "
        "none. It does not change the fit; scores and intervals take replicates as units.",
        Group.CELLS,
        otherwise="found by its name or its levels",
        form="KEY|none",
    )
    batch_key: str | None = option(
        None,
        "Column of obs with batches to correct: a shift of expression for each, estimated within "
        "days that hold several batches.",
        Group.CELLS,
        otherwise="none",
    )
    growth_prior: str | None = option(
        None,
        "Expected growth rates: human or mouse (from division and death genes), or a column "
        "of obs with rates per unit of time. Weighted by how well it explains the training days.",
        Group.GROWTH,
        otherwise="none",
    )

    clones: str | None = option(
        None,
        "Column of obs with lineage barcodes, or key of obsm with a matrix of cells by clones. "
        "Used as far as it brings sisters nearer in clones that are held out.",
        Group.PATH,
        otherwise="none",
        form="KEY",
    )
    velocity: str | None = option(
        None,
        "Key of obsm with a velocity of each cell (RNA velocity) in the coordinates of `use_rep`, "
        "e.g. velocity_pca. Its sign and scale are learnt; it bends the path as far as that "
        "predicts inner training days better.",
        Group.PATH,
        otherwise="none",
        form="KEY",
    )

    conflicts: ClassVar[tuple[Conflict, ...]] = (
        Conflict(
            "layer",
            lambda o: o.use_rep is not None,
            "{layer} is not used with {use_rep}.",
            "Use only one of them.",
        ),
        Conflict(
            "clones",
            lambda o: o.clones == o.time_key,
            "{clones} is the column of {time_key}, which holds the time.",
            "Name the column with the lineage barcodes.",
        ),
        Conflict(
            "velocity",
            lambda o: o.use_rep is None,
            "{velocity} has to be in the coordinates that are fitted, and `use_rep` is not set: "
            "those of a new PCA are not known beforehand.",
            "Name the representation that it belongs to, e.g. `use_rep='X_pca'` for velocity_pca.",
        ),
        Conflict(
            "velocity",
            lambda o: o.velocity == o.use_rep,
            "{velocity} is the representation itself.",
            "Name the key of the velocities, e.g. velocity_pca.",
        ),
    )

    @field_validator("time_map", mode="before")
    @classmethod
    def _as_times(cls, value: Any) -> Any:
        if isinstance(value, str):
            return parse_pairs(value, "time_map")
        return dict(value) if isinstance(value, Mapping) else value

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            options = handler(values)
        except ValidationError as error:
            raise refusal(cls, error.errors()[0]) from None
        for conflict in cls.conflicts:
            usual = cls.model_fields[conflict.name].default
            if getattr(options, conflict.name) != usual and conflict.happens(options):
                given = {name: f"`{name}={value!r}`" for name, value in options}
                raise ConfigError(conflict.sentence.format_map(given), conflict.hint)
        return options


class Options(ReadOptions):
    """Everything that decides the result of a fit, apart from the data.

    Raises
    ------
    ConfigError
        If there is no such option, it takes no such value, or it conflicts with others.

    Examples
    --------
    >>> Options(method="am", seed=3).method
    'am'
    """

    allow_confounded: bool = option(
        False,
        "Correct `batch_key` also where some batches cannot be told from time: what days do not "
        "link stays.",
        Group.CELLS,
    )
    n_pcs: int | None = option(
        None,
        "Number of components.",
        Group.COORDINATES,
        otherwise=f"those that other cells confirm, {N_PCS} at most; all of `use_rep`",
        least=1,
    )
    n_top_genes: int | None = option(
        None,
        "Number of most variable genes used for the PCA.",
        Group.COORDINATES,
        otherwise=N_TOP_GENES,
        least=2,
    )
    whiten: bool = option(False, "Scale all components to the same variance.", Group.COORDINATES)
    population: Literal["cells"] | dict[str, float] | None = option(
        None,
        "Population size on each day: a CSV file with time and count, 'day0=1e5,day2=3e5', or "
        "cells to use the numbers of sequenced cells.",
        Group.GROWTH,
        otherwise="growth is relative",
        form="FILE|DAY=COUNT,...|cells",
    )
    method: Method = option(
        "uam",
        "am: motion only; eam: motion with noise; uam: motion and growth; ueam: motion with "
        "noise, and growth.",
        Group.METHOD,
    )
    sigma: float | None = option(
        None,
        "Noise of eam and ueam: its standard deviation over the whole time course, relative to "
        "that of the data.",
        Group.METHOD,
        otherwise=SIGMA,
        above=0,
    )
    growth: Growth = option(
        "own",
        "Growth of uam and ueam: own is an independent function, tied is proportional to "
        "the action.",
        Group.GROWTH,
    )
    growth_scale: float | None = option(
        None,
        "Growth rate per unit of action, with `growth='tied'`.",
        Group.GROWTH,
        otherwise=f"{GROWTH_SCALE:g}",
        above=0,
    )
    path: PathName | None = option(
        None,
        "How cells of adjacent days are coupled. uot: optimal transport with growth; ot: optimal "
        "transport; independent: at random; mixture: days fade into each other, and cells do not "
        "move.",
        Group.PATH,
        otherwise=CHOSEN,
    )
    tau: float | None = option(
        None,
        "Penalty on growth with `path='uot'`; smaller values allow more growth.",
        Group.PATH,
        otherwise=CHOSEN,
        above=0,
    )
    curvature: float | None = option(
        None,
        "Curvature of the path: 0 for straight lines between days, 1 for a spline through all "
        "days.",
        Group.PATH,
        otherwise=CHOSEN,
        least=0,
        most=1,
    )
    action: ActionName = option(
        "kernel",
        "kernel: random features, solved in closed form; mlp: a neural network, "
        "trained by gradient descent.",
        Group.ACTION,
    )
    n_features: int = option(
        1_000,
        "Number of random features of the kernel action.",
        Group.ACTION,
        least=16,
        most=20_000,
    )
    max_cells: int = option(
        25_000,
        "Maximum number of cells per day used for fitting (a random subset); simulations use all "
        "cells.",
        Group.ACTION,
        least=100,
    )
    steps: int | None = option(
        None,
        "Maximum number of training steps with `action='mlp'`.",
        Group.ACTION,
        otherwise=STEPS,
        least=1,
    )
    exclude: tuple[str, ...] = option(
        (), "Day to leave out of the fit; repeatable.", Group.CELLS, form="DAY"
    )
    ensemble: int | None = option(
        None,
        "Number of extra fits, each to a random half of the cells and days, from which "
        "uncertainty is estimated.",
        Group.METHOD,
        otherwise="none",
        least=8,
        most=200,
    )
    seed: int = option(  # what numpy and scikit-learn accept
        0,
        "Random seed; the same seed gives the same result.",
        Group.COMPUTATION,
        least=0,
        most=2**32 - 1,
    )
    device: Device = option(
        "auto", "Device of torch; auto uses cuda if available, else cpu.", Group.COMPUTATION
    )
    threads: int | None = option(
        None, "Number of threads of torch.", Group.COMPUTATION, otherwise="chosen by torch", least=1
    )

    conflicts: ClassVar[tuple[Conflict, ...]] = (
        *ReadOptions.conflicts,
        Conflict(
            "allow_confounded",
            lambda o: o.batch_key is None,
            "`allow_confounded` is for batches that are corrected, and `batch_key` is not set.",
            "Leave it out, or name the column of batches.",
        ),
        Conflict(
            "n_top_genes",
            lambda o: o.use_rep is not None,
            "{n_top_genes} does not apply to {use_rep}, which is used as given.",
            "Use only one of them.",
        ),
        Conflict(
            "sigma",
            lambda o: not o.has_noise,
            "{sigma} does not apply to {method}.",
            "Leave it out, or use `method='eam'` or `method='ueam'`.",
        ),
        Conflict(
            "growth_scale",
            lambda o: not (o.has_growth and o.growth == "tied"),
            "{growth_scale} does not apply to {method} with {growth}.",
            "Leave it out, or use `method='uam'` with `growth='tied'`.",
        ),
        Conflict(
            "tau",
            lambda o: o.path not in (None, "uot"),
            "{tau} does not apply to {path}.",
            "Leave it out, or use `path='uot'`.",
        ),
        Conflict(
            "tau",
            lambda o: o.path is None and not o.has_growth,
            "{tau} controls growth, and {method} conserves mass.",
            "Leave it out, or use `method='uam'`.",
        ),
        Conflict(
            "curvature",
            lambda o: o.path == "mixture",
            "{curvature} does not apply to {path}, in which cells do not move.",
            "Leave it out, or use another `path`.",
        ),
        Conflict(
            "steps",
            lambda o: o.action != "mlp",
            "{steps} does not apply to {action}, which is solved in closed form.",
            "Leave it out, or use `action='mlp'`.",
        ),
        Conflict(
            "n_features",
            # A growth field has features of its own, whatever the action.
            lambda o: o.action != "kernel" and not (o.has_growth and o.growth == "own"),
            "{n_features} does not apply to {action} with {method}: nothing has random features.",
            "Leave it out, or use `action='kernel'`.",
        ),
        Conflict(
            "growth",
            lambda o: not o.has_growth,
            "{growth} does not apply to {method}, which conserves mass.",
            "Leave it out, or use `method='uam'`.",
        ),
        Conflict(
            "ensemble",
            lambda o: o.action != "kernel",
            "{ensemble} needs `action='kernel'`.",
            "Leave out `action`, or `ensemble`.",
        ),
        Conflict(
            "population",
            lambda o: (
                isinstance(o.population, dict) and not min(o.population.values(), default=0) > 0
            ),
            "`population`: every size must be a positive number.",
            "E.g. `population='day0=1e5,day2=3e5'`, or `population='cells'`.",
        ),
        Conflict(
            "population",
            lambda o: not o.has_growth,
            "`population` does not apply to {method}, which conserves mass.",
            "Leave it out, or use `method='uam'`.",
        ),
        Conflict(
            "growth_prior",
            lambda o: not o.has_growth,
            "{growth_prior} does not apply to {method}, which conserves mass.",
            "Leave it out, or use `method='uam'`.",
        ),
        Conflict(
            "growth_prior",
            lambda o: o.path not in (None, "uot"),
            "{growth_prior} does not apply to {path}, which fixes growth.",
            "Leave it out, or use `path='uot'`.",
        ),
        Conflict(
            "clones",
            lambda o: o.path in ("independent", "mixture"),
            "{clones} does not apply to {path}, which pairs no cells by where they go.",
            "Leave it out, or use `path='uot'` or `path='ot'`.",
        ),
        Conflict(
            "velocity",
            lambda o: o.path == "mixture",
            "{velocity} does not apply to {path}, in which cells do not move.",
            "Leave it out, or use another `path`.",
        ),
    )

    @field_validator("population", mode="before")
    @classmethod
    def _as_sizes(cls, value: Any) -> Any:
        return parse_population(os.fspath(value)) if isinstance(value, str | os.PathLike) else value

    @field_validator("exclude", mode="before")
    @classmethod
    def _as_days(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @property
    def reading(self) -> ReadOptions:
        """Those of them that say how the cells are read."""
        return ReadOptions(**{name: getattr(self, name) for name in ReadOptions.model_fields})

    @property
    def has_growth(self) -> bool:
        """Whether the method lets cells grow and die."""
        return self.method in ("uam", "ueam")

    @property
    def has_noise(self) -> bool:
        """Whether the method is entropic."""
        return self.method in ("eam", "ueam")


document(ReadOptions)
document(Options)
