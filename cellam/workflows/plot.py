"""Plot: draw one figure of a run."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellam.analysis.basis import find_basis
from cellam.analysis.trends import check_by
from cellam.days.time_labels import offer
from cellam.display import Displayed
from cellam.dynamics.fitting import OnProgress, silent
from cellam.errors import ConfigError, DataError
from cellam.evaluation.metrics import LEAD, METRICS, check_metrics
from cellam.export.files import check_file
from cellam.reading.cells import read_annotation
from cellam.reading.queries import Query
from cellam.runs.run import StoredRun
from cellam.workflows.given import Day, Names, day_text, name_list
from cellam.workflows.plot_kinds import PICTURES, Picture
from cellam.workflows.plot_request import Request


@dataclass(frozen=True, repr=False)
class PlotResult(Displayed):
    """A figure.

    Parameters
    ----------
    run : pathlib.Path
    kind : str
        Name of the figure.
    axes : matplotlib Axes, or several
        What was drawn on.
    written : pathlib.Path or None
        Its file, if one was asked for.
    notes : tuple of str
        What could not be found.
    """

    run: Path
    kind: str
    axes: Any
    written: Path | None
    notes: tuple[str, ...]

    @property
    def figure(self) -> Any:
        """The matplotlib figure."""
        return getattr(self.axes, "figure", None) or self.axes[0].figure

    @property
    def facts(self) -> dict[str, str]:
        """What it shows, and where it is."""
        return {"shows": PICTURES[self.kind].description, "written": str(self.written or "nowhere")}

    def _repr_html_(self) -> str:
        png = io.BytesIO()
        self.figure.savefig(png, format="png")
        text = base64.b64encode(png.getvalue()).decode()
        return f'<img alt="{self.kind}" src="data:image/png;base64,{text}">'


def _text(day: Day | None) -> str | None:
    return day_text(day) if day is not None else None


def plot_run(
    run: StoredRun,
    kind: str,
    *,
    basis: str | None = None,
    color: str | None = None,
    groupby: str | None = None,
    start: Day | None = None,
    from_cells: Query | None = None,
    n_cells: int | None = None,
    terminal: Day | None = None,
    genes: Names | None = None,
    by: str | None = None,
    holdout: Day | None = None,
    metric: str | None = None,
    seed: int | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
    on_progress: OnProgress = silent,
) -> PlotResult:
    """Draw one figure of a run.

    Parameters
    ----------
    run : StoredRun
    kind : str
        One of `PICTURES`, which also says which options each of them has.
    basis : str, optional
        Map to draw on: pca, or a key of `obsm`; X_umap, else pca, without it.
    color : str, optional
        Column of `obs`, or time, growth or speed, or a gene; for fates a state.
    groupby : str, optional
        Column of `obs` with the cell types; found by its name without it.
    start : day, optional
        Day whose cells are followed; the first without it.
    from_cells : str or (n,) bool array, optional
        Only cells that fit a query on `obs`, or are marked.
    n_cells : int, optional
        Cells to follow at most.
    terminal : str, optional
        DAY:COLUMN or one of them; the last training day and the cell types without it.
    genes : str or iterable of str, optional
        Genes to draw.
    by : str, optional
        Group trends by "fate" or by "start".
    holdout : day, optional
        Day to predict.
    metric : str, optional
        "energy" without it.
    seed : int, optional
        For drawn cells; 0 without it.
    out : path, optional
        File to write: .png, .svg or .pdf.
    overwrite : bool
        Whether `out` may be replaced.
    data : path, optional
        The data of the run, if they have moved.
    on_progress : callable
        Told how far a fit is, where the figure needs one.

    Raises
    ------
    ConfigError
        For an unknown figure, and for options that do not apply to it.
    DataError
        If the data are needed, and are not there or not those of the fit.
    OutputError
        If the file is there, or cannot be written.
    """
    options = {
        "basis": basis, "color": color, "groupby": groupby, "from": start,
        "from-cells": from_cells, "n-cells": n_cells, "terminal": terminal, "genes": genes,
        "by": by, "holdout": holdout, "metric": metric, "seed": seed,
    }  # fmt: skip
    given = frozenset(name for name, value in options.items() if value is not None)
    picture = check_options(kind, given)
    metric = check_metrics([metric or LEAD], picture.metrics or METRICS)[0]
    by = check_by(by or "fate")
    path = Path(out) if out is not None else None
    if path is not None:
        from cellam.plots.style import FORMATS

        check_file(path, "out", FORMATS, overwrite=overwrite, noun="a figure")
    names = ",".join(name_list(genes)) if genes is not None else None
    needed = bool(data or given & {"basis", "groupby", "from-cells", "color"})
    adata, source, notes = _find(run, data, needed=needed or picture.annotated)
    if "basis" in picture.options:
        find_basis(run.model, adata, basis)
    request = Request(
        run, adata, source, path, on_progress, basis, color, groupby, _text(start), from_cells,
        n_cells, _text(terminal), names, by, _text(holdout), metric, seed or 0, given,
    )  # fmt: skip
    drawn = picture.draw(request)
    return PlotResult(run.path, kind, drawn, path, (*notes, *request.notes))


def _parameter(flag: str) -> str:
    return f"`{'start' if flag == 'from' else flag.replace('-', '_')}`"


def check_options(kind: str, given: Collection[str]) -> Picture:
    """The figure of that name, which takes all options given, and lacks none.

    Raises
    ------
    ConfigError
    """
    if kind not in PICTURES:
        raise ConfigError(f"Unknown kind of figure: {kind!r}.", offer(kind, PICTURES))
    picture = PICTURES[kind]
    heard = picture.options
    deaf = sorted(set(given) - set(heard))
    if deaf:
        raise ConfigError(
            f"{_parameter(deaf[0])} does not apply to `plot {kind}`.",
            f"Its options are: {', '.join(map(_parameter, heard))}." if heard else "Leave it out.",
        )
    for name, hint in picture.needs.items():
        if name not in given:
            raise ConfigError(f"`plot {kind}` needs {_parameter(name)}.", hint)
    return picture


def _find(
    run: StoredRun, data: Path | str | None, *, needed: bool
) -> tuple[Any, Path | None, tuple[str, ...]]:
    """The annotation and where it is, or why it is not there."""
    try:
        source = run.data(data)
    except DataError as error:
        if needed:
            raise
        return (
            None,
            None,
            (f"{error.message} Cell names and cell types are not available. {error.hint}",),
        )
    adata = read_annotation(source)
    run.check_cells(adata.obs)
    return adata, source, ()
