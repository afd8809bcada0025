"""Values: what the numbers of an expression matrix are, judged cell by cell and day by day.

They are counts (whole, or fractional where ambient RNA was removed or reads were shared out),
normalised values, their logs, or scaled values. What can be shown is asked first:

1. Amounts that were normalised have the same sum in all cells. So have logs or roots of them once
   these are undone, and which of these it is that makes the sums equal says what was done.
2. Counts are whole. Where they are not, they are still near whole numbers, or share a unit.

Neither holds for fractional counts without a unit, and for a choice of genes from normalised data.
They differ in depth, which counts show twice, in the sum of a cell and in the number of genes that
are detected: the rank correlation of the two within days is 0.72 to 0.97 on fractional counts made
of klein, worm and the demo data, whole and of chosen genes; on normalised values of chosen genes
and on FPKM (hsmm) it is −0.2 to 0.34. Where nearly all genes are detected, it is that of the sum
and the median over genes of value by mean of the gene: 0.80 to 0.88, and 0.22 to 0.57. Logs
compress sums, so theirs correlate too; but their small values fall with depth (−0.4 to −0.95),
where those of counts do not.

A matrix whose days or cells are in different forms is refused: the difference would be motion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.config import Kind
from cellam.errors import DataError
from cellam.reading.amounts import LARGEST_LOG, Amounts, Array, Matrix, measure

USUAL = 10_000.0  # what cells are normalised to most often
SAME = 0.01  # of a sum: cells within it have the same
MOST = 0.5  # of the cells: a share that can have the same sum for one reason only
FEW_CELLS = 5  # of which a common sum shows nothing, and no correlation can be taken
FEW_GENES = 20  # of which sums and signs say little about a day; they may be coordinates
APART = 6.0  # spreads between the sums of two days that were normalised alike, at most
LEAST_APART = 0.05  # in logs, however small the spread
BY_DEPTH = 0.6  # rank correlation of sums and detected genes: counts are above, others below
SATURATED = 0.9  # of the genes, detected in a cell: more say nothing of its depth
BY_MIDDLE = 0.7  # rank correlation of sums and the middle gene, as `BY_DEPTH`
FALLS = -0.3  # rank correlation of least values and detected genes: logs are below
SKEWED = 5.0  # largest by mean value of a cell: those of counts are above, of logs below
DEPARTS = 0.2  # log of a sum by the common one: farther off, it is another
CENTRED = 0.5  # balance of cells: centred ones are below
LIKE_DEPTH = 0.25  # spread of the logs of sums: of counts it is .35 to .45, of others to .2
SOME = 0.01  # of the cells
COUNTED = 0.9  # of the cells
LEAST_TOTAL, LEAST_VALUE = 101.0, 0.5  # of a cell whose values can be logged as they are

ONE_FORM = (
    "Give all cells in the same form, best as counts (in X, or with --layer). If they are, say "
    "which: --values counts, normalised, log or scaled."
)

COUNTS, FRACTIONAL, NORMALISED, SHARES = (
    "counts", "fractional counts", "normalised values", "proportions",
)  # fmt: skip
_LOGS = {"ln": "log values", "log2": "log2 values", "log10": "log10 values", "sqrt": "square roots"}


@dataclass(frozen=True)
class Form:
    """What expression values are.

    Parameters
    ----------
    kind : {"counts", "normalised", "log", "scaled"}
        What is done to them: counts are divided by the sum of their cell and logged, normalised
        values logged, the others taken as they are.
    words : str
        What they are, in words.
    shares : bool
        Whether they are parts of a whole, too small to be logged as they are.
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

    def library(self, matrix: Matrix) -> float:
        """What each cell's sum is brought to before the log; 0 where it is left alone.

        It is the median of the counts. Shares have none: their least value in a cell stands for
        one count, so that the median of its inverse does, up to the usual 10,000.
        """
        if self.kind == "counts":
            return float(np.median(np.asarray(matrix.sum(1))))
        if not self.shares:
            return 0.0
        amounts = measure(matrix)
        return float(min(USUAL, np.median(amounts.sums[""] / amounts.least)))

    def describe(self) -> str:
        """What they are and what is done to them."""
        done = (
            "normalised and logged"
            if self.kind == "counts" or self.shares
            else "logged"
            if self.logged
            else "as they are"
        )
        return f"{self.words}, {done}"


@dataclass(frozen=True)
class _Part:
    """Cells of one day in one form."""

    rows: NDArray[np.int64]
    words: str  # "" of free ones, until they are judged
    undone: str = ""  # of `amounts.UNDONE`
    has_total: bool = False  # the same for all of them

    @property
    def kind(self) -> Kind:
        """What is done to them."""
        if self.words in (COUNTS, FRACTIONAL):
            return "counts"
        return "log" if self.words in _LOGS.values() else "normalised"


def judge(
    matrix: Matrix,
    codes: NDArray[np.int64],
    labels: Sequence[str],
    where: str,
    told: Kind | None = None,
) -> Form:
    """What the values (n, g) of cells of several days are.

    Parameters
    ----------
    matrix : (n, g) array or csr_matrix
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
    amounts = measure(matrix)
    if told is not None:
        return _as_told(told, amounts, where)
    if (amounts.negative > 0).any():
        if matrix.shape[1] >= FEW_GENES:
            _check_centred(amounts, codes, labels, where)
        return _with_negatives(amounts, where)
    if matrix.shape[1] < FEW_GENES:
        return _few_genes(amounts)
    days = [_parts(amounts, np.flatnonzero(codes == k)) for k in range(len(labels))]
    days = _settle(days, amounts, matrix, codes)
    _check_days(days, amounts, labels, where)
    return _form([part for day in days for part in day], amounts)


def _few_genes(amounts: Amounts) -> Form:
    """By wholeness and the largest value alone: sums of few genes differ in any form."""
    if amounts.whole.all():
        return Form("counts", COUNTS)
    if amounts.largest.max() <= LARGEST_LOG:
        return Form("log", _LOGS["ln"])
    return Form("normalised", NORMALISED)


def _as_told(told: Kind, amounts: Amounts, where: str) -> Form:
    if (amounts.negative > 0).any() and told in ("counts", "normalised"):
        raise DataError(
            f"--values {told}: {where} has values below zero in {_cells(amounts.negative > 0)}.",
            "Use --values log or scaled to take them as they are, or another --layer.",
        )
    words = {"log": "log values", "scaled": "scaled values", "normalised": "normalised values"}
    shares = told == "normalised" and _are_shares(amounts, float(np.median(amounts.sums[""])))
    return Form(told, f"{words.get(told, 'counts')} (--values)", shares)


# ------------------------------------------------------------------------- one day, by cells


def _parts(amounts: Amounts, rows: NDArray[np.int64]) -> list[_Part]:
    """Cells of a day by what their values are; of those that do not show it the words are empty."""
    parts = []
    whole, rest = rows[amounts.whole[rows]], rows[~amounts.whole[rows]]
    if len(whole) < len(rest):
        # Counts nearly always have a one; a few normalised cells are whole by chance.
        ones = amounts.least[whole] == 1
        whole, rest = whole[ones], np.sort(np.concatenate([rest, whole[~ones]]))
    while len(rest) >= FEW_CELLS:
        found = {name: _common(sums[rest]) for name, sums in amounts.sums.items()}
        undone = max(found, key=lambda name: (round(found[name].share, 1), -found[name].spread))
        total = found[undone].middle
        if found[undone].share < MOST:
            break
        # Few cells depart from the sum of the others, as where genes were removed later.
        member = np.abs(np.log(amounts.sums[undone][rest] / total)) < DEPARTS
        words = _LOGS.get(undone, NORMALISED)
        if undone != "sqrt" and total <= 1 + SAME:  # log(1 + x) of proportions is x
            words, undone = SHARES, ""
        parts.append(_Part(rest[member], words, undone, has_total=True))
        rest = rest[~member]
        if not undone:
            whole = whole[np.abs(amounts.sums[""][whole] / total - 1) > SAME]
    if len(whole):
        parts.append(_Part(whole, COUNTS))
    if len(rest):
        parts.append(_Part(rest, ""))
    return parts


class _Common(NamedTuple):
    """The most cells with the same value: their share, its middle and relative spread."""

    share: float
    middle: float
    spread: float


def _common(sums: Array) -> _Common:
    ordered = np.sort(sums[np.isfinite(sums) & (sums > 0)])
    if not len(ordered):
        return _Common(0.0, 1.0, np.inf)
    number = np.searchsorted(ordered, ordered * (1 + SAME), side="right") - np.arange(len(ordered))
    first = int(number.argmax())
    middle = ordered[first : first + number[first]]
    centre = float(np.median(middle))
    return _Common(len(middle) / len(sums), centre, float(np.abs(middle / centre - 1).mean()))


def _settle(
    days: list[list[_Part]], amounts: Amounts, matrix: Matrix, codes: NDArray[np.int64]
) -> list[list[_Part]]:
    """Say what the free cells are: all that could be logs together, and all others together."""
    parts = [part for day in days for part in day]
    known = {part.kind: part for part in parts if part.has_total}
    said: dict[bool, str] = {}
    for low in (False, True):
        free = [p.rows for p in parts if not p.words and _could_be_logs(amounts, p.rows) == low]
        if free:
            said[low] = _judge_free(amounts, matrix, np.concatenate(free), codes, low=low)

    def settled(part: _Part) -> _Part:
        if part.words:
            return part
        part = _Part(part.rows, said[_could_be_logs(amounts, part.rows)])
        undone = next((name for name, words in _LOGS.items() if words == part.words), "")
        # Free cells are no evidence of another log than that of the others.
        like = known.get(part.kind)
        return (
            replace(part, words=like.words, undone=like.undone)
            if like
            else replace(part, undone=undone)
        )

    return [[settled(part) for part in day] for day in days]


def _could_be_logs(amounts: Amounts, rows: NDArray[np.int64]) -> bool:
    return bool(amounts.largest[rows].max() <= LARGEST_LOG)


def _judge_free(
    amounts: Amounts,
    matrix: Matrix,
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    low: bool,
) -> str:
    """What cells are that have neither whole values nor a common sum."""
    sums, least, detected = amounts.sums[""][rows], amounts.least[rows], amounts.detected[rows]
    for undone, words in _LOGS.items():
        if amounts.counted[undone][rows].mean() > COUNTED:
            return words
    unit = _common(least)
    has_unit = unit.share >= MOST and len(rows) >= FEW_CELLS
    nearly = measure(matrix[rows] / unit.middle).nearly if has_unit else amounts.nearly[rows]
    if np.median(nearly) >= MOST:
        return FRACTIONAL
    if low and np.quantile(sums, 0.99) <= 1 + SAME:
        return SHARES
    if len(rows) >= FEW_CELLS and _differ_in_depth(amounts, matrix, rows, codes):
        falls = _correlate(least, detected, codes[rows]) < FALLS
        skewed = np.median(amounts.largest[rows] * detected / sums) > SKEWED
        if not low or (skewed and not falls):
            return FRACTIONAL
    return _LOGS["ln"] if low else NORMALISED


def _differ_in_depth(
    amounts: Amounts, matrix: Matrix, rows: NDArray[np.int64], codes: NDArray[np.int64]
) -> bool:
    """Whether the sums of cells rise and fall with how much of every gene was found."""
    sums, detected = amounts.sums[""][rows], amounts.detected[rows]
    if np.median(detected) <= SATURATED * matrix.shape[1]:
        return _correlate(sums, detected, codes[rows]) > BY_DEPTH
    # Where nearly all genes are detected, by how much of the middle gene there is.
    middle = np.zeros(len(rows))
    for code in np.unique(codes[rows]):
        day = np.flatnonzero(codes[rows] == code)
        part = matrix[rows[day]]
        dense = np.asarray(part.toarray() if sparse.issparse(part) else part, dtype=np.float64)
        mean = dense.mean(0)
        middle[day] = np.median(dense[:, mean > 0] / mean[mean > 0], axis=1)
    return _correlate(sums, middle, codes[rows]) > BY_MIDDLE


def _correlate(a: Array, b: Array, codes: NDArray[np.int64]) -> float:
    """Rank correlation within days, over all of them; 0 where nothing varies."""
    from scipy.stats import rankdata

    x, y = np.zeros(len(a)), np.zeros(len(b))
    for code in np.unique(codes):
        day = codes == code
        x[day] = rankdata(a[day]) / day.sum()
        y[day] = rankdata(b[day]) / day.sum()
        x[day] -= x[day].mean()
        y[day] -= y[day].mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


# ------------------------------------------------------------------------------ between days


def _check_days(
    days: list[list[_Part]], amounts: Amounts, labels: Sequence[str], where: str
) -> None:
    """Refuse cells of a day, or days, whose values are in different forms."""
    for label, parts in zip(labels, days, strict=True):
        main = max(parts, key=lambda part: len(part.rows))
        for part in parts:
            if part is not main and not _alike(amounts, main, part):
                raise DataError(
                    f"{where} is not in one form within {label}: {_number(main)} "
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
    raise DataError(f"{where} is not in one form; its days hold:{table}", ONE_FORM)


def _alike(amounts: Amounts, one: _Part, other: _Part) -> bool:
    """Whether two parts may stand side by side."""
    if one.kind == other.kind == "counts":
        return True
    if one.words != other.words:
        return False
    logs = [np.log(amounts.sums[part.undone][part.rows]) for part in (one, other)]
    spread = max(_spread(values) for values in logs)
    apart = abs(float(np.median(logs[0]) - np.median(logs[1])))
    return apart <= max(LEAST_APART, APART * spread)


def _spread(values: Array) -> float:
    low, high = np.quantile(values, (0.25, 0.75))
    return float(high - low) / 1.35  # the standard deviation, of normal values


def _cells(marked: NDArray[np.bool_]) -> str:
    n = int(marked.sum())
    return f"{n:,} cell{'s' * (n != 1)}"


def _number(part: _Part) -> str:
    return f"{_cells(np.full(len(part.rows), True))} with"


def _show(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _describe(amounts: Amounts, part: _Part) -> str:
    undone = amounts.sums[part.undone][part.rows]
    before = f" ({_show(float(np.median(undone)))} before)" if part.undone else ""
    return (
        f"{part.words}, median sum {_show(float(np.median(amounts.sums[''][part.rows])))}{before}, "
        f"largest {_show(float(amounts.largest[part.rows].max()))}"
    )


# ---------------------------------------------------------------------------- the whole matrix


def _form(parts: list[_Part], amounts: Amounts) -> Form:
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
        spreads = [_spread(np.log(amounts.sums[""][part.rows])) for part in parts]
        if not main.has_total and np.median(spreads) > LIKE_DEPTH:
            notes = (
                "Their sums differ between cells as those of counts do. If they are counts, say "
                "--values counts; else depth may look like motion.",
            )
        if main.has_total:
            words += f" with a sum of {_show(total)} in each cell"
        return Form("normalised", words, _are_shares(amounts, total), notes)
    notes = ()
    if not main.has_total and amounts.counted[main.undone].mean() > COUNTED:
        notes = (
            f"They are {main.words} of whole numbers with other sums in other cells: depth, which "
            "was not taken out, may look like motion. Give the counts, or normalise before.",
        )
    return Form("log", main.words, notes=notes)


def _are_shares(amounts: Amounts, total: float) -> bool:
    """Whether values are so small that their log is they themselves."""
    return total < LEAST_TOTAL and float(np.median(amounts.least)) < LEAST_VALUE


def _with_negatives(amounts: Amounts, where: str) -> Form:
    below = amounts.negative > 0
    if amounts.whole.all():
        raise DataError(
            f"{where} has whole numbers, as counts have, but negative ones in "
            f"{int(below.sum()):,} of {len(below):,} cells.",
            "Give the counts themselves, with --layer, or save them again.",
        )
    if np.median(amounts.balance) < CENTRED:
        return Form("scaled", "scaled values")
    if amounts.largest.max() <= LARGEST_LOG:
        return Form("scaled", f"log values with some below zero in {_cells(below)}")
    return Form("scaled", f"values with some below zero in {_cells(below)}")


def _check_centred(
    amounts: Amounts, codes: NDArray[np.int64], labels: Sequence[str], where: str
) -> None:
    """Refuse centred cells beside others."""
    below = amounts.negative > 0
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
        f"{where} is not in one form: some cells are centred about zero, as scaled values are, and "
        f"others have no value below zero. Its days hold:{table}",
        ONE_FORM,
    )
