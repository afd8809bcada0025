"""The options of a fit: one object, one JSON, one set of flags.

`None` stands for "chosen from the training data"; what was chosen is kept with the fit.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cellam.errors import ConfigError

Method = Literal["am", "eam", "uam", "ueam"]
Growth = Literal["own", "tied"]
PathName = Literal["independent", "ot", "uot", "mixture"]
ActionName = Literal["kernel", "mlp"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Kind = Literal["counts", "normalised", "log", "scaled"]  # of expression values


_Form = TypeVar("_Form", bound="ReadOptions")


class ReadOptions(BaseModel):
    """How cells are read: one object from the options to the file, and back from a run.

    Parameters
    ----------
    time_key : str or None
        Column of `obs` with the time; None to find it.
    time_map : dict or None
        Times of all labels, in place of reading them.
    use_rep : str or None
        Key of `obsm` to work in; None for expression.
    layer : str or None
        Layer of the expression; None for `X`.
    values : {"counts", "normalised", "log", "scaled"} or None
        What the expression values are; None to judge them.
    growth_prior : str or None
        Species, or column of `obs` with rates, that growth is expected from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    time_key: str | None = None
    time_map: dict[str, float] | None = None
    use_rep: str | None = None
    layer: str | None = None
    values: Kind | None = None
    growth_prior: str | None = None


class Options(ReadOptions):
    """Everything that decides the result of a fit, apart from the data.

    Examples
    --------
    >>> Options(method="am", seed=3).method
    'am'
    """

    n_pcs: int | None = Field(default=None, ge=1)
    whiten: bool = False
    population: Literal["cells"] | dict[str, float] | None = None
    method: Method = "uam"
    sigma: float | None = Field(default=None, gt=0)
    growth: Growth = "own"
    growth_scale: float | None = Field(default=None, gt=0)
    path: PathName | None = None
    tau: float | None = Field(default=None, gt=0)
    curvature: float | None = Field(default=None, ge=0, le=1)
    action: ActionName = "kernel"
    max_cells: int = Field(default=25_000, ge=100)
    n_features: int = Field(default=1_000, ge=16, le=20_000)
    steps: int | None = Field(default=None, ge=1)
    exclude: tuple[str, ...] = ()
    ensemble: int | None = Field(default=None, ge=8, le=200)
    seed: int = Field(default=0, ge=0, lt=2**32)  # what numpy and scikit-learn accept
    device: Device = "auto"
    threads: int | None = Field(default=None, ge=1)

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


def parse_options(values: dict[str, Any]) -> Options:
    """Check options and the combinations of them that mean nothing.

    Raises
    ------
    ConfigError
        Naming the option as it is typed on the command line, its value and what is allowed.
    """
    options = _parse(Options, values)
    _check_reading(options)
    if options.sigma is not None and not options.has_noise:
        raise ConfigError(
            f"--sigma {options.sigma:g} has no meaning for --method {options.method}.",
            "Leave it out, or use --method eam or ueam.",
        )
    if options.growth_scale is not None and not (options.has_growth and options.growth == "tied"):
        raise ConfigError(
            f"--growth-scale {options.growth_scale:g} has no meaning for --method "
            f"{options.method} with --growth {options.growth}.",
            "Leave it out, or use --method uam --growth tied.",
        )
    if options.tau is not None and options.path not in (None, "uot"):
        raise ConfigError(
            f"--tau {options.tau:g} has no meaning for --path {options.path}.",
            "Leave it out, or use --path uot.",
        )
    if options.tau is not None and options.path is None and not options.has_growth:
        raise ConfigError(
            f"--tau {options.tau:g} relaxes mass, which --method {options.method} conserves.",
            "Leave it out, or use --method uam.",
        )
    if options.curvature is not None and options.path == "mixture":
        raise ConfigError(
            f"--curvature {options.curvature:g} has no meaning for --path mixture: nobody moves.",
            "Leave it out, or use another --path.",
        )
    if options.steps is not None and options.action != "mlp":
        raise ConfigError(
            f"--steps {options.steps} has no meaning for --action kernel, which is solved at once.",
            "Leave it out, or use --action mlp.",
        )
    if options.ensemble is not None and options.action != "kernel":
        raise ConfigError(
            f"--ensemble {options.ensemble} needs --action kernel, which is solved at once.",
            f"Leave out --action {options.action}, or --ensemble.",
        )
    if isinstance(options.population, dict) and not all(
        0 < size < float("inf") for size in options.population.values()
    ):
        raise ConfigError(
            "--population: every size has to be a positive number.",
            "E.g. --population 'day0=1e5,day2=3e5', or --population cells.",
        )
    if options.population is not None and not options.has_growth:
        raise ConfigError(
            f"--population has no meaning for --method {options.method}, which conserves mass.",
            "Leave it out, or use --method uam.",
        )
    if options.growth_prior is not None and not options.has_growth:
        raise ConfigError(
            f"--growth-prior has no meaning for --method {options.method}, which conserves mass.",
            "Leave it out, or use --method uam.",
        )
    if options.growth_prior is not None and options.path not in (None, "uot"):
        raise ConfigError(
            f"--growth-prior has no meaning for --path {options.path}, which leaves growth no "
            "choice.",
            "Leave it out, or use --path uot.",
        )
    return options


def parse_reading(values: dict[str, Any]) -> ReadOptions:
    """Check how cells are to be read.

    Raises
    ------
    ConfigError
        As `parse_options`.
    """
    options = _parse(ReadOptions, values)
    _check_reading(options)
    return options


def _check_reading(options: ReadOptions) -> None:
    if options.layer is not None and options.use_rep is not None:
        raise ConfigError(
            f"--layer {options.layer} is not used with --use-rep {options.use_rep}.",
            "Give one of the two.",
        )


def _parse(form: type[_Form], values: dict[str, Any]) -> _Form:
    try:
        return form(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"There is no option {name!r}.",
                f"The options are: {', '.join(form.model_fields)}.",
            ) from None
        raise ConfigError(
            f"{_flag(name)} {first['input']}: {first['msg'][0].lower()}{first['msg'][1:]}.",
            "See `cellam fit --help`.",
        ) from None


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
