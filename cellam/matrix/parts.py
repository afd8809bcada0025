"""Parts: the cells of a day whose expression values are in one form, told by the values alone.

What can be shown is asked first:

1. Amounts that were normalised have the same sum in all cells. So have logs or roots of them once
   these are undone, and which of these it is that makes the sums equal says what was done.
2. Counts are whole. Where they are not, they are still near whole numbers, or share a unit.

Neither holds for fractional counts without a unit, and for a choice of genes from normalised data.
They differ in depth, which counts show twice, in the sum of a cell and in the number of genes that
are detected: the rank correlation of the two within days is 0.72 to 0.97 on fractional counts made
of klein, worm and the demo data, whole and of chosen genes; on normalised values of chosen genes
and on FPKM (hsmm) it is −0.2 to 0.34. Where nearly all genes are detected, it is that of the sum
and the median over genes of value by mean of the gene: 0.80 to 0.88, and 0.22 to 0.57. Logs
compress sums, so theirs correlate too; but their least values fall with depth (correlations of
−0.57 to −0.92; of counts, −0.38 and more), and their sums hardly vary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.matrix.amounts import LARGEST_LOG, Amounts, Array, measure
from cellam.matrix.moments import moments
from cellam.matrix.rows import Rows
from cellam.options import Kind

SAME = 0.002  # of a sum: cells within it have the same; rounding moves it by less
MOST = 0.5  # of the cells: a share that can have the same sum for one reason only
FEW_CELLS = 5  # of which a common sum shows nothing, and no correlation can be taken
BY_DEPTH = 0.6  # rank correlation of sums and detected genes: counts are above, others below
SATURATED = 0.9  # of the genes, detected in a cell: more say nothing of its depth
BY_MIDDLE = 0.7  # rank correlation of sums and the middle gene, as `BY_DEPTH`
FALLS = -0.45  # rank correlation of least values and detected genes: logs are below
LIKE_DEPTH = 0.25  # spread of the logs of sums: counts have .35 to .5, most others less than .2
DEPARTS = 0.2  # log of a sum by the common one: farther off, it is another
ALIKE = 1.0  # logs of sums are nearer, of cells and of those whose logs others are
SHALLOW = 0.2  # by how much detected genes fall with sums, in logs, where depth is the reason
COUNTED = 0.9  # of the cells
LOGS = {"ln": "log values", "log2": "log2 values", "log10": "log10 values", "sqrt": "square roots"}

COUNTS, FRACTIONAL, NORMALISED, SHARES = (
    "counts", "fractional counts", "normalised values", "proportions",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Cells of one day whose values are in one form.

    Parameters
    ----------
    rows : (m,) int array
        The cells.
    words : str
        What their values are; empty of free cells, until they are judged.
    undone : str
        What was done to the values, of `amounts.UNDONE`.
    has_total : bool
        Whether all of them have the same sum once that is undone.
    """

    rows: NDArray[np.int64]
    words: str
    undone: str = ""
    has_total: bool = False

    @property
    def kind(self) -> Kind:
        """What is done to them."""
        if self.words in (COUNTS, FRACTIONAL):
            return "counts"
        return "log" if self.words in LOGS.values() else "normalised"


def parts_of_days(
    amounts: Amounts, values: Rows, codes: NDArray[np.int64], n_days: int
) -> list[list[Part]]:
    """The parts of every day.

    Parameters
    ----------
    amounts : Amounts
        Of the values, none of which is negative.
    values : Rows
    codes : (n,) int array
        Day of every cell.
    n_days : int
    """
    days = [_split(amounts, np.flatnonzero(codes == k)) for k in range(n_days)]
    return _settle(days, amounts, values, codes)


def _split(amounts: Amounts, rows: NDArray[np.int64]) -> list[Part]:
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
        words = LOGS.get(undone, NORMALISED)
        if undone != "sqrt" and total <= 1 + SAME:  # log(1 + x) of proportions is x
            words, undone = SHARES, ""
        parts.append(Part(rest[member], words, undone, has_total=True))
        rest = rest[~member]
        if not undone:
            whole = whole[np.abs(amounts.sums[""][whole] / total - 1) > SAME]
    if len(whole):
        parts.append(Part(whole, COUNTS))
    return parts + [Part(free, "") for free in _logs_apart(amounts, rest) if len(free)]


def _logs_apart(amounts: Amounts, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Free cells that are the logs of what the others are, and the others."""
    low = amounts.largest[rows] <= LARGEST_LOG
    if min(low.sum(), (~low).sum()) < FEW_CELLS:
        return [rows]
    undone = np.median(np.log(amounts.sums["ln"][rows[low]]))
    given = np.median(np.log(amounts.sums[""][rows[~low]]))
    return [rows[low], rows[~low]] if abs(undone - given) < ALIKE else [rows]


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
    days: list[list[Part]], amounts: Amounts, values: Rows, codes: NDArray[np.int64]
) -> list[list[Part]]:
    """Say what the free cells are: all that could be logs together, and all others together."""
    parts = [part for day in days for part in day]
    known = {part.kind: part for part in parts if part.has_total}
    free = [part.rows for part in parts if not part.words]
    large = [rows for rows in free if not _could_be_logs(amounts, rows)]
    others = np.concatenate(large) if large else None

    def is_low(rows: NDArray[np.int64]) -> bool:
        possible = _could_be_logs(amounts, rows)
        return possible and (others is None or _are_logs_of(amounts, rows, others))

    said: dict[bool, str] = {}
    for low in (False, True):
        alike = [rows for rows in free if is_low(rows) == low]
        if alike:
            said[low] = _judge_free(amounts, values, np.sort(np.concatenate(alike)), codes, low=low)

    def settled(part: Part) -> Part:
        if part.words:
            return part
        part = Part(part.rows, said[is_low(part.rows)])
        undone = next((name for name, words in LOGS.items() if words == part.words), "")
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


def _are_logs_of(amounts: Amounts, rows: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    """Whether small values are the logs of what others are, and not the same from fewer reads.

    Logs bring sums down and leave the number of detected genes; a lower depth lowers both.
    """
    given = np.median(np.log(amounts.sums[""][others]))

    def apart(undone: str) -> float:
        return float(abs(np.median(np.log(amounts.sums[undone][rows])) - given))

    fewer = np.log(np.median(amounts.detected[others]) / np.median(amounts.detected[rows]))
    is_nearer = min(map(apart, ("ln", "log2", "log10"))) < apart("")
    return is_nearer and bool(fewer < SHALLOW * apart(""))


def _judge_free(
    amounts: Amounts,
    values: Rows,
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    *,
    low: bool,
) -> str:
    """What cells are that have neither whole values nor a common sum."""
    sums, least, detected = amounts.sums[""][rows], amounts.least[rows], amounts.detected[rows]
    for undone, words in LOGS.items():
        if amounts.counted[undone][rows].mean() > COUNTED:
            return words
    unit = _common(least)
    has_unit = unit.share >= MOST and len(rows) >= FEW_CELLS
    nearly = amounts.nearly[rows]
    if has_unit:
        nearly = measure(chunk / unit.middle for _, chunk in values[rows].chunks()).nearly
    if np.median(nearly) >= MOST:
        return FRACTIONAL
    if low and np.quantile(sums, 0.99) <= 1 + SAME:
        return SHARES
    if not low and _days_differ_in_depth(sums, detected, codes[rows]):
        return FRACTIONAL
    if len(rows) >= FEW_CELLS and _differ_in_depth(amounts, values, rows, codes):
        falls = _correlate(least, detected, codes[rows]) < FALLS
        if not low or (_spread_within(sums, codes[rows]) > LIKE_DEPTH and not falls):
            return FRACTIONAL
    return LOGS["ln"] if low else NORMALISED


def _days_differ_in_depth(sums: Array, detected: Array, codes: NDArray[np.int64]) -> bool:
    """Whether one day has far lower sums than another, and fewer detected genes with them."""
    days = [codes == code for code in np.unique(codes)]
    middle = np.array([(np.median(sums[day]), np.median(detected[day])) for day in days])
    low, high = middle[:, 0].argmin(), middle[:, 0].argmax()
    less, fewer = np.log(middle[high] / middle[low])
    return bool(less > ALIKE and fewer > SHALLOW * less)


def _differ_in_depth(
    amounts: Amounts, values: Rows, rows: NDArray[np.int64], codes: NDArray[np.int64]
) -> bool:
    """Whether the sums of cells rise and fall with how much of every gene was found."""
    sums, detected = amounts.sums[""][rows], amounts.detected[rows]
    if np.median(detected) <= SATURATED * values.shape[1]:
        return _correlate(sums, detected, codes[rows]) > BY_DEPTH
    # Where nearly all genes are detected, by how much of the middle gene there is.
    middle = np.zeros(len(rows))
    for code in np.unique(codes[rows]):
        day = np.flatnonzero(codes[rows] == code)
        of_day = values[rows[day]]
        mean = moments(of_day).means[0]
        for ours, chunk in of_day.chunks():
            dense = np.asarray(chunk.toarray() if sparse.issparse(chunk) else chunk, np.float64)
            middle[day[ours]] = np.median(dense[:, mean > 0] / mean[mean > 0], axis=1)
    return _correlate(sums, middle, codes[rows]) > BY_MIDDLE


def spread(values: Array) -> float:
    """The standard deviation of values, but for a few far out."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float(high - low) / 1.35  # which it is of normal values


def _spread_within(sums: Array, codes: NDArray[np.int64]) -> float:
    """Of the logs of sums, in the middle one of the days."""
    return float(np.median([spread(np.log(sums[codes == k])) for k in np.unique(codes)]))


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
