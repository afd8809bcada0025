"""Report: one page of all that is known of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from cellam.analysis.division import Division, compare_division
from cellam.analysis.growth_range import GrowthRange
from cellam.checks.caveat import Caveat
from cellam.checks.caveats import caveats_by_holdout
from cellam.checks.score_caveats import evaluation_caveats
from cellam.errors import DataError
from cellam.export.files import check_file
from cellam.modelling.left_out import LeftOut
from cellam.reading.cells import Cells
from cellam.result import Result
from cellam.runs.claims import REPORT
from cellam.runs.run import StoredRun


@dataclass(frozen=True, repr=False)
class ReportResult(Result):
    """A page, and the reasons for doubt on it.

    Parameters
    ----------
    run : pathlib.Path
    written : pathlib.Path
        The page.
    caveats : tuple of Caveat or None
        None where the data were not there to look for them.
    division : Division or None
        How growth goes with the genes of division.
    scored : tuple of str
        Held-out days whose scores are on the page.
    notes : tuple of str
        What could not be found.
    """

    run: Path
    written: Path
    caveats: tuple[Caveat, ...] | None
    division: Division | None
    scored: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def facts(self) -> dict[str, str]:
        """Where the page is, and what is on it."""
        return {
            "written": str(self.written),
            "scored": ", ".join(self.scored) or "no day",
            "caveats": str(len(self.caveats)) if self.caveats is not None else "not looked for",
        }

    def to_frame(self) -> pd.DataFrame:
        """A row for each reason for doubt: name, finding, advice."""
        rows = [(c.name, c.finding, c.advice) for c in self.caveats or ()]
        return pd.DataFrame(rows, columns=["name", "finding", "advice"])

    def to_dict(self) -> dict[str, object]:
        """Where the page is, and the reasons for doubt."""
        return {
            "run": str(self.run),
            "written": str(self.written),
            "scored": list(self.scored),
            "caveats": None if self.caveats is None else self.to_frame().to_dict("records"),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        link = escape(self.written.absolute().as_uri(), quote=True)
        name = escape(str(self.written))
        return f'{super()._repr_html_()}<a href="{link}">{name}</a>'


def report_run(
    run: StoredRun,
    out: Path | str | None = None,
    *,
    groupby: str | None = None,
    basis: str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
    cells: Cells | None = None,
    doubts: Sequence[Caveat] | None = None,
    growth: GrowthRange | None = None,
    left: LeftOut | None = None,
) -> ReportResult:
    """Write one HTML page: what went in, how good it is, what it found, and how it was done.

    Parameters
    ----------
    run : StoredRun
    out : path, optional
        File to write; report.html in the run without it, which is replaced.
    groupby : str, optional
        Column of `obs` with the cell types; found by its name without it.
    basis : str, optional
        Of the maps; see `analysis.basis.find_basis`.
    overwrite : bool
        Whether `out` may be replaced.
    data : path, optional
        The data of the run, if they have moved.
    cells : Cells, optional
        The data, if they have been read already.
    doubts : sequence of Caveat, optional
        The reasons for doubt, if they are known already.
    growth : GrowthRange, optional
        The growth of all cells as a range, if it is known already.
    left : LeftOut, optional
        Fits without each replicate, if they are there already.

    Raises
    ------
    ConfigError
        For an unknown column or basis.
    DataError
        If the data are not those of the fit, or were asked for and are not there.
    OutputError
        If the file is there, or cannot be written.
    """
    from cellam.report.page import write_report  # with matplotlib, which few commands need

    if out is not None:
        check_file(Path(out), "out", [".html", ".htm"], overwrite=overwrite, noun="a report")
    path = Path(out) if out is not None else run.path / REPORT
    division, notes = None, tuple[str, ...]()
    scores = run.scores()
    scored = scores.labels if scores is not None else ()
    if cells is None:
        cells, notes = _read(run, data, groupby, basis)
    if cells is not None:
        if doubts is None:
            of_fit, of_days = caveats_by_holdout(run.model, cells, [(), scored])
            run.keep_caveats(of_fit)
            said = evaluation_caveats(scores, run.controls(), seed=run.model.options.seed)
            doubts = (*said, *of_days)
        division = compare_division(run.model, cells)
    write_report(
        run,
        path,
        data=data,
        groupby=groupby,
        basis=basis,
        caveats=doubts,
        division=division,
        growth=growth,
        left=left,
    )
    known = tuple(doubts) if doubts is not None else None
    return ReportResult(run.path, path, known, division, scored, notes)


def _read(
    run: StoredRun, data: Path | str | None, groupby: str | None, basis: str | None
) -> tuple[Cells | None, tuple[str, ...]]:
    """The cells, once column and basis are known to be there; or why there are none."""
    try:
        source = run.data(data)
    except DataError as error:
        if data is not None:
            raise
        note = f"{error.message} The report will lack cell types and caveats. {error.hint}"
        return None, (note,)
    from cellam.report.page import check_names

    check_names(run, source, groupby, basis)
    return run.read(source), ()
