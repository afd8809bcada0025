"""Values: what the numbers of an expression matrix are, judged cell by cell and day by day.

They are counts (whole, or fractional where ambient RNA was removed or reads were shared out),
normalised values, their logs, or scaled values. `parts` has what shows which they are.

A matrix whose days or cells are in different forms is refused: the difference would be motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellam.days.time_labels import named
from cellam.errors import DataError
from cellam.matrix.amounts import LARGEST_LOG, Amounts, measure
from cellam.matrix.centring import describe_centring
from cellam.matrix.moments import moments
from cellam.matrix.parts import (
    COUNTED,
    COUNTS,
    FRACTIONAL,
    LIKE_DEPTH,
    LOGS,
    NORMALISED,
    Part,
    parts_of_days,
    spread,
)
from cellam.matrix.rows import Rows
from cellam.options import Kind

USUAL = 10_000.0  # what cells are normalised to most often
FEW_GENES = 20  # of which sums and signs say little about a day; they may be coordinates
APART = 6.0  # spreads between the sums of two days that were normalised alike, at most
LEAST_APART = 0.05, 1.1  # in logs, however small the spread: of common sums, and of others
CENTRED, NEGATIVE = 0.5, 1 / 3  # balance of centred cells, at most; share below zero, at least
VARIES = 0.15  # spread of the logs of sums that is depth; of corrected counts it is less
SOME = 0.01  # of the cells
LEAST_TOTAL, LEAST_VALUE = 101.0, 0.5  # of a cell whose values can be logged as they are

ONE_FORM = (
    "Use the same scale for all cells, preferably counts (in X, or with `layer`). If the scale "
    "is the same, state it: `values` is counts, normalised, log or scaled."
)


@dataclass(frozen=True)
class Form:
    """What expression values are.

    Parameters
    ----------
    kind : {"counts", "normalised", "log", "scaled"}
        What is done to them: counts are divided by the sum of their cell and logged, normalised
        values logged, the others taken used as given.
    words : str
        What they are, in words.
    shares : bool
        Whether they are parts of a whole, too small to be logged used as given.
    notes : tuple of str
        What a user should know of them.
    """

    kind: Kind
    words: str
    shares: bool = False
    notes: tuple[str, ...] = ()

    @property
    def logged(self) -> bool:
        """Whether log1p is applied to them."""
        return self.kind in ("counts", "normalised")

    def library(self, rows: Rows) -> float:
        """What each cell's sum is brought to before the log; 0 where it is left alone.

        It is the median of the counts. Shares have none: their least value in a cell stands for
        one count, so the median of its inverse does, up to the usual 10,000.
        """
        if self.kind == "counts":
            return float(np.median(rows.sums()))
        if not self.shares:
            return 0.0
        amounts = measure(chunk for _, chunk in rows.chunks())
        return float(min(USUAL, np.median(amounts.sums[""] / amounts.least)))

    def describe(self) -> str:
        """What they are and what is done to them."""
        done = (
            "normalised and logged"
            if self.kind == "counts" or self.shares
            else "logged"
            if self.logged
            else "used as given"
        )
        return f"{self.words}, {done}"


def judge(
    amounts: Amounts,
    rows: Rows,
    codes: NDArray[np.int64],
    labels: Sequence[str],
    where: str,
    told: Kind | None = None,
) -> Form:
    """What the values (n, g) of cells of several days are.

    Parameters
    ----------
    amounts : Amounts
        What they show of themselves.
    rows : Rows
        The values, which are looked at again where that does not tell.
    codes : (n,) int array
        Day of every cell, as a position in `labels`.
    labels : sequence of str
    where : str
        What the matrix is called.
    told : {"counts", "normalised", "log", "scaled"}, optional
        What the user says that they are.

    Raises
    ------
    DataError
        If days or cells are in different forms, or values cannot be what the user says.
    """
    n_genes = rows.shape[1]
    if told != "scaled" and not (amounts.negative > 0).any():
        _check_empty(amounts, where)
    if told is not None:
        return _as_told(told, amounts, where)
    if (amounts.negative > 0).any():
        if n_genes >= FEW_GENES:
            _check_centred(amounts, n_genes, codes, labels, where)
        form = _with_negatives(amounts, where)
        if n_genes >= FEW_GENES:
            form = replace(form, notes=describe_centring(moments(rows, codes), labels))
        return form
    if n_genes < FEW_GENES:
        return _few_genes(amounts)
    days = parts_of_days(amounts, rows, codes, len(labels))
    _check_days(days, amounts, labels, where)
    return _form([part for day in days for part in day], amounts)


def _check_empty(amounts: Amounts, where: str) -> None:
    empty = int((amounts.detected == 0).sum())
    if empty:
        raise DataError(
            f"{where}: {empty:,} of {len(amounts.detected):,} cells have no counts at all.",
            "Remove them first: sc.pp.filter_cells(adata, min_counts=1).",
        )


def _few_genes(amounts: Amounts) -> Form:
    """By wholeness and the largest value alone: sums of few genes differ in any form."""
    if amounts.whole.all():
        return Form("counts", COUNTS)
    if amounts.largest.max() <= LARGEST_LOG:
        return Form("log", LOGS["ln"])
    return Form("normalised", NORMALISED)


def _as_told(told: Kind, amounts: Amounts, where: str) -> Form:
    if (amounts.negative > 0).any() and told in ("counts", "normalised"):
        raise DataError(
            f"`values={told!r}`: {where} has values below zero in {_cells(amounts.negative > 0)}.",
            "Use `values='log'` or `values='scaled'` to take them used as given, or another "
            "`layer`.",
        )
    words = {"log": "log values", "scaled": "scaled values", "normalised": "normalised values"}
    shares = told == "normalised" and _are_shares(amounts, float(np.median(amounts.sums[""])))
    return Form(told, f"{words.get(told, 'counts')} (given)", shares)


# ------------------------------------------------------------------------------ between days


def _check_days(
    days: list[list[Part]], amounts: Amounts, labels: Sequence[str], where: str
) -> None:
    """Refuse cells of a day, or days, whose values are in different forms."""
    for label, parts in zip(labels, days, strict=True):
        main = max(parts, key=lambda part: len(part.rows))
        for part in parts:
            if part is not main and not _alike(amounts, main, part):
                raise DataError(
                    f"{where} is not on one scale within {named(label)}: {_number(main)} "
                    f"{_describe(amounts, main)}, and {_number(part)} {_describe(amounts, part)}.",
                    ONE_FORM,
                )
    mains = [max(parts, key=lambda part: len(part.rows)) for parts in days]
    first = max(mains, key=lambda part: len(part.rows))
    if all(_alike(amounts, first, part) for part in mains):
        return
    width = max(map(len, labels))
    table = "".join(
        f"\n    {label:<{width}}  {_describe(amounts, part)}"
        for label, part in zip(labels, mains, strict=True)
    )
    raise DataError(f"{where} is not on one scale; its days hold:{table}", ONE_FORM)


def _alike(amounts: Amounts, one: Part, other: Part) -> bool:
    """Whether two parts may stand side by side."""
    if one.kind == other.kind == "counts":
        return True
    if one.words != other.words:
        return False
    if one.undone:  # logs of counts beside logs of normalised values
        counted = [amounts.counted[one.undone][part.rows].mean() for part in (one, other)]
        if max(counted) > COUNTED and min(counted) < 1 - COUNTED:
            return False
    logs = [np.log(amounts.sums[part.undone][part.rows]) for part in (one, other)]
    within = max(spread(values) for values in logs)
    apart = abs(float(np.median(logs[0]) - np.median(logs[1])))
    return apart <= max(LEAST_APART[not (one.has_total and other.has_total)], APART * within)


def _cells(marked: NDArray[np.bool_]) -> str:
    n = int(marked.sum())
    return f"{n:,} cell{'s' * (n != 1)}"


def _number(part: Part) -> str:
    return f"{_cells(np.full(len(part.rows), True))} with"


def _show(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _describe(amounts: Amounts, part: Part) -> str:
    undone = amounts.sums[part.undone][part.rows]
    before = f" ({_show(float(np.median(undone)))} before)" if part.undone else ""
    return (
        f"{part.words}, median sum {_show(float(np.median(amounts.sums[''][part.rows])))}{before}, "
        f"largest {_show(float(amounts.largest[part.rows].max()))}"
    )


# ---------------------------------------------------------------------------- the whole matrix


def _form(parts: list[Part], amounts: Amounts) -> Form:
    """The form of a matrix whose parts are alike."""
    main = max(parts, key=lambda part: len(part.rows))
    if main.kind == "counts":
        if amounts.whole.all():
            return Form("counts", COUNTS)
        if amounts.whole.mean() > 1 - SOME:
            return Form("counts", f"counts, with fractions in {_cells(~amounts.whole)}")
        return Form("counts", FRACTIONAL)
    total = float(np.median(amounts.sums[""]))
    if main.kind == "normalised":
        words = main.words
        notes: tuple[str, ...] = ()
        spreads = [spread(np.log(amounts.sums[""][part.rows])) for part in parts]
        if not main.has_total and np.median(spreads) > LIKE_DEPTH:
            notes = (
                "Their sums differ between cells, as with counts. If they are counts, use "
                "`values='counts'`; otherwise depth may look like motion.",
            )
        if main.has_total:
            words += f" with a sum of {_show(total)} in each cell"
        return Form("normalised", words, _are_shares(amounts, total), notes)
    notes = ()
    spreads = [spread(np.log(amounts.sums[main.undone][part.rows])) for part in parts]
    counted = amounts.counted[main.undone].mean() > COUNTED
    if not main.has_total and counted and np.median(spreads) > VARIES:
        notes = (
            f"They are {main.words} of whole numbers whose sums differ between cells: depth was "
            "not normalised, and may look like motion. Use the counts, or normalise first.",
        )
    return Form("log", main.words, notes=notes)


def _are_shares(amounts: Amounts, total: float) -> bool:
    """Whether values are so small that their log is they themselves."""
    return total < LEAST_TOTAL and float(np.median(amounts.least)) < LEAST_VALUE


def _with_negatives(amounts: Amounts, where: str) -> Form:
    below = amounts.negative > 0
    if amounts.whole.all():
        raise DataError(
            f"{where} has whole numbers, like counts, but negative ones in {int(below.sum()):,} "
            f"of {len(below):,} cells.",
            "Use the counts themselves, with `layer`, or save them again.",
        )
    if np.median(amounts.balance) < CENTRED:
        return Form("scaled", "scaled values")
    if amounts.largest.max() <= LARGEST_LOG:
        return Form("scaled", f"log values with some below zero in {_cells(below)}")
    return Form("scaled", f"values with some below zero in {_cells(below)}")


def _check_centred(
    amounts: Amounts, n_genes: int, codes: NDArray[np.int64], labels: Sequence[str], where: str
) -> None:
    """Refuse centred cells beside others."""
    below = amounts.negative > 0
    # Logs of values plus a small number are below zero too, in the few genes not found.
    if below.any() and np.median(amounts.negative[below]) < NEGATIVE * n_genes:
        return
    centred = below & (amounts.balance < CENTRED)
    if not (centred.mean() > SOME and (~below).mean() > SOME):
        return
    width = max(map(len, labels))
    table = "".join(
        f"\n    {label:<{width}}  values below zero in {below[codes == k].sum():,} of "
        f"{(codes == k).sum():,} cells, largest {_show(float(amounts.largest[codes == k].max()))}"
        for k, label in enumerate(labels)
    )
    raise DataError(
        f"{where} is not on one scale: some cells are centred on zero, like scaled values, and "
        f"others have no value below zero. Its days hold:{table}",
        ONE_FORM,
    )
