"""Amounts: what the numbers of each cell show of themselves, without a guess at what they mean.

Every cell is looked at, a few at a time, so nothing of the size of the data is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Matrix: TypeAlias = Any  # sparse.csr_matrix | NDArray[np.float32]; scipy carries no types
Array: TypeAlias = NDArray[np.float64]

BLOCK = 200_000  # values looked at at once
LARGEST_LOG = 25.0  # log1p of more counts than any cell has; larger values were never logged
NEAR = 0.1  # from a whole number, of an amount that is nearly whole
SMALL, FEW = 50.0, 3  # numbers below it are looked at, and have to be as many
EXACT = 1e-3  # of a value: as far as single precision and rounded text lie from the number meant

# What may have been done to amounts, and how it is undone.
UNDONE: dict[str, Callable[[Array], Array]] = {
    "": lambda x: x,
    "ln": np.expm1,
    "log2": lambda x: np.expm1(x * np.log(2)),
    "log10": lambda x: np.expm1(x * np.log(10)),
    "sqrt": np.square,
}


@dataclass(frozen=True)
class Amounts:
    """What the numbers of n cells show of themselves.

    Parameters
    ----------
    largest, least : (n,) arrays
        The largest value of each cell, and the least above zero.
    detected : (n,) array
        Number of values that are not zero.
    whole : (n,) bool array
        Whether all of them are whole numbers.
    nearly : (n,) array
        Share of the values between 0 and 10 that are within a tenth of 1, 2, …
    negative : (n,) array
        Number of values below zero.
    balance : (n,) array
        Sum of the values by the sum of their sizes: 1 without negative ones, near 0 where they
        were centred.
    sums : dict of str to (n,) array
        Sums of each cell with each of `UNDONE` undone; infinite where it cannot have been done.
    counted : dict of str to (n,) bool array
        Whether undoing it gives whole numbers.
    """

    largest: Array
    least: Array
    detected: Array
    whole: NDArray[np.bool_]
    nearly: Array
    negative: Array
    balance: Array
    sums: dict[str, Array]
    counted: dict[str, NDArray[np.bool_]]


def measure(matrices: Iterable[Matrix]) -> Amounts:
    """The amounts of every cell of matrices (…, g), one after the other."""
    return join(part for matrix in matrices for part in measured(matrix))


def measured(matrix: Matrix) -> Iterator[dict[str, Any]]:
    """The amounts of the cells of a matrix (n, g), a few cells at a time, to be joined."""
    n, g = matrix.shape
    each = max(matrix.nnz / n if sparse.issparse(matrix) else g, 1.0)
    step = max(1, int(BLOCK / each))
    for start in range(0, n, step):
        yield _measure(sparse.csr_matrix(matrix[start : start + step]))


def join(measured: Iterable[dict[str, Any]]) -> Amounts:
    """The amounts of all cells."""
    parts = list(measured)
    joined: dict[str, Any] = {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
        if not isinstance(parts[0][name], dict)
    }
    for name in ("sums", "counted"):
        joined[name] = {
            key: np.concatenate([part[name][key] for part in parts]) for key in parts[0][name]
        }
    return Amounts(**joined)


def _measure(block: Any) -> dict[str, Any]:
    values = block.data
    rows = _Rows(block.indptr)
    rounded = np.rint(values)
    broken = values != rounded
    whole = rows.all(~broken) if broken.any() else np.full(block.shape[0], True)
    largest = np.maximum(rows.reduce(np.maximum, values, 0.0), 0.0)
    lowest = rows.reduce(np.minimum, values, 0.0)
    positive = values > 0
    least = rows.reduce(np.minimum, np.where(positive, values, np.float32(np.inf)), np.inf)
    some = values != 0
    detected = np.diff(block.indptr).astype(np.float64) if some.all() else rows.count(some)
    values = values.astype(np.float64)
    total = rows.sum(values)
    nearly, negative, balance = (np.full(len(total), x) for x in (1.0, 0.0, 1.0))
    if broken.any():
        small = positive & (values < 10)
        near = small & (rounded > 0) & (np.abs(values - rounded) <= NEAR)
        nearly = rows.count(near) / np.maximum(rows.count(small), 1.0)
    if (lowest < 0).any():
        negative, size = rows.count(values < 0), rows.sum(np.abs(values))
        balance = np.divide(total, size, out=np.ones_like(total), where=size > 0)
    sums, counted = {"": total}, {"": whole}
    unsure = ~whole & (lowest >= 0)
    for name in ("ln", "log2", "log10", "sqrt"):
        able = unsure & ((largest <= LARGEST_LOG) | (name == "sqrt"))
        if not able.any():
            sums[name], counted[name] = np.full(len(able), np.inf), able
            continue
        undone = UNDONE[name](values if able.all() else values * rows.spread(able))
        sums[name] = np.where(able, rows.sum(undone), np.inf)
        # Of large numbers the rounding of what is stored would hide the fraction.
        low = (values > 0) & (undone < SMALL)
        some = undone[low]
        near = np.rint(some)
        off = np.zeros_like(low)
        off[low] = (near == 0) | (np.abs(some - near) > EXACT * near)
        counted[name] = able & (rows.count(low) >= FEW) & (rows.count(off) == 0)
    return {
        "largest": largest,
        "least": least,
        "detected": detected,
        "whole": whole,
        "nearly": nearly,
        "negative": negative,
        "balance": balance,
        "sums": sums,
        "counted": counted,
    }


@dataclass(frozen=True)
class _Rows:
    """Reductions of the stored values of a csr_matrix by row; empty rows have their own answer."""

    indptr: NDArray[Any]

    def reduce(self, ufunc: np.ufunc, values: NDArray[Any], empty: float) -> Array:
        out = np.full(len(self.indptr) - 1, empty, dtype=np.float64)
        some = np.diff(self.indptr) > 0
        if some.any():
            out[some] = ufunc.reduceat(values, self.indptr[:-1][some])
        return out

    def sum(self, values: Array) -> Array:
        return self.reduce(np.add, values, 0.0)

    def count(self, claims: NDArray[np.bool_]) -> Array:
        return self.reduce(np.add, claims.astype(np.int32), 0.0)

    def all(self, claims: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.equal(self.count(~claims), 0)

    def spread(self, claims: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.repeat(claims, np.diff(self.indptr))
