"""`cellam drivers`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import give, give_json, plural, say, say_caveats, say_run, table
from .options import DataOption, FromCellsOption, GroupbyOption, JsonOption, RunOption
from .outputs import written

if TYPE_CHECKING:
    from cellam.analysis.regulators import Regulators
    from cellam.workflows.drivers import DriversResult


def drivers(
    of: Annotated[
        str,
        typer.Option(
            help="Quantity to correlate with gene expression: growth, speed or fate:TYPE."
        ),
    ],
    top: Annotated[
        int,
        typer.Option(
            "--top",
            "-n",
            min=1,
            help="Number of genes to print with positive, and with negative, correlation, or of "
            "transcription factors.",
        ),
    ] = 10,
    day: Annotated[
        list[str] | None,
        typer.Option(help="Use only cells of this day; repeatable. [default: all eligible days]"),
    ] = None,
    from_cells: FromCellsOption = None,
    groupby: GroupbyOption = None,
    tf: Annotated[
        str | None,
        typer.Option(
            "--tf",
            help="Print instead the transcription factors whose expression leads in time: human, "
            "mouse (both need the extra: pip install '.[factors]' in a clone of cellam), or a text "
            "file with one name a line.",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            help="Write the table of all genes to this CSV file; its p and q count cells, not "
            "replicates.",
        ),
    ] = None,
    as_json: JsonOption = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for the noise, if the fit has any.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --csv if it exists.")
    ] = False,
    run: RunOption = None,
    data: DataOption = None,
) -> None:
    """List the genes that correlate with growth, speed or a fate, within days, or lead in time."""
    from cellam.days.time_labels import named
    from cellam.workflows.run import open_run

    opened = open_run(run)
    say_run(opened.path, as_json=as_json)
    found = opened.drivers(
        of,
        top=top,
        day=day or (),
        from_cells=from_cells,
        groupby=groupby,
        tf=tf,
        seed=seed,
        csv=csv,
        overwrite=overwrite,
        data=data,
    )
    if as_json:
        give_json(found.to_dict())
        return
    of_days, genes = ", ".join(map(named, found.days)), plural(len(found.table), "gene")
    say("", f"{plural(found.cells, 'cell')} of {of_days}; {genes} that vary in these cells.")
    if found.regulators is not None:
        _print_regulators(found, found.regulators)
    else:
        _print_correlated(found)
    if found.division is not None:
        say("division" if found.division.contradicts else "", str(found.division))
    say_caveats(found.caveats)
    if found.written is not None:
        give("written", written(found.written))


def _print_correlated(found: DriversResult) -> None:
    """The genes that correlate, and what that means."""
    _print_top(found)
    print()
    print(
        "Correlation within days; expressing: share of these cells that express the gene (of "
        "scaled expression:\nmore than its mean); q: false discovery rate over all genes, if cells "
        "were independent. Those of one\nanimal or dish are not, and replicates are not used: q is "
        "smaller than it should be. Growth, speed and\nfates are computed by the fit from "
        "expression, so this ranks genes; it does not identify causes."
    )


def _print_regulators(found: DriversResult, those: Regulators) -> None:
    """The factors that lead most, and what that means."""
    from cellam.analysis.drivers import FATE
    from cellam.analysis.regulators import LEVEL, LIKE

    of_fate = found.of.removeprefix(FATE) if found.of.startswith(FATE) else ""
    what = "likeness" if of_fate else found.of
    gaps = plural(those.gaps, "gap")
    say(
        "",
        f"{len(those.table)} of the {those.listed:,} transcription factors of {those.source} are "
        f"expressed; {plural(those.others, 'other gene')}; over {gaps} between days.",
    )
    print()
    rows = [
        [
            str(row["gene"]),
            *(f"{row[name]:+.3f}" for name in ("before", "after", "lead")),
            f"{100 * row['above']:.1f} %",
            *(f"{row[name]:.3g}" for name in ("p_value", "q_value")),
        ]
        for row in those.table.head(found.top).to_dict("records")
    ]
    table([f"leads {found.of}", "before", "after", "lead", "above", "p", "q"], rows)
    print()
    print(
        f"before: correlation of expression with the {what} of the descendants on the next day;\n"
        f"after: of the {what} with the expression of the descendants; lead: how much larger the\n"
        "first is. above: share of the other genes that lead less, each compared with the "
        f"{LIKE}\ngenes expressed most like it; p: share that leads as much; q: false discovery "
        f"rate, below\n{LEVEL} for {those.says}. A factor that leads need not regulate:\n"
        "a gene that the same hidden cause switches on leads as well."
    )
    if of_fate:
        print(
            f"likeness: how much a cell already looks like {of_fate} on the last training day "
            "(linear discriminant)."
        )
    for note in those.notes:
        say("note", note)


def _print_top(found: DriversResult) -> None:
    """The genes of both signs, the strongest of each first."""
    for sign, part in zip(("with more", "with less"), found.strongest, strict=True):
        print()
        rows = [
            [gene, f"{r:+.3f}", _small(q), f"{100 * share:.0f} %"]
            for gene, r, q, share in zip(
                *(part[name] for name in ("gene", "correlation", "q_value", "share_of_cells")),
                strict=True,
            )
        ]
        table([f"{sign} {found.of}", "correlation", "q", "expressing"], rows)


def _small(q: float) -> str:
    return f"{q:.1e}" if q > 0 else "<1e-300"
