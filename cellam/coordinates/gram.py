"""Gram: products of all pairs of genes, added up over cells, and the components that follow.

Cells are made dense a fixed number at a time, about a centre that is near their mean, so that
little is lost to rounding and the sum does not depend on how the cells are read. Products of one
block are in single precision, which takes half of the time, and blocks are added up in double.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.matrix.rows import Part, Rows, each_part

Array = NDArray[np.float64]

BLOCK = 1_024  # cells that are dense at once


@dataclass(frozen=True)
class Gram:
    """Mean and covariance of g genes.

    Parameters
    ----------
    mean : (g,) array
    covariance : (g, g) array
        It divides by the number of cells.
    varies : bool
        Whether any gene has two values.
    """

    mean: Array
    covariance: Array
    varies: bool

    def components(self, n: int) -> Array:
        """The n leading principal axes (n, g); the largest entry of each is positive."""
        from scipy.linalg import eigh

        g = len(self.mean)
        _, axes = eigh(self.covariance, subset_by_index=[g - n, g - 1])
        leading = axes[:, ::-1].T
        largest = np.abs(leading).argmax(1)
        signs = np.sign(leading[np.arange(n), largest])
        return np.ascontiguousarray(leading * signs[:, None])


def gram(rows: Rows, centre: Array) -> Gram:
    """Mean and covariance over cells, added up about a centre (g,) near their mean."""
    n, g = rows.shape
    # About what is taken off in single precision, so that sums are those of what was added up.
    taken = centre.astype(np.float32)
    products, sums = np.zeros((g, g)), np.zeros(g)
    least, most = np.full(g, np.inf), np.full(g, -np.inf)
    for part in each_part(_part, taken, rows):
        products += part.products
        sums += part.sums
        least, most = np.minimum(least, part.least), np.maximum(most, part.most)
    off = sums / n
    return Gram(taken + off, products / n - np.outer(off, off), bool((least < most).any()))


class _Part(NamedTuple):
    """Sums of products (g, g) and of values (g,) of some cells, and their range, (g,) each."""

    products: Array
    sums: Array
    least: Array
    most: Array


def _part(centre: NDArray[np.float32], part: Part) -> _Part:
    _, rows = part
    g = rows.shape[1]
    products, sums = np.zeros((g, g)), np.zeros(g)
    least, most = np.full(g, np.inf), np.full(g, -np.inf)
    for block in _blocks(rows):
        x = block - centre
        products += x.T @ x
        sums += x.sum(0, dtype=np.float64)
        least, most = np.minimum(least, x.min(0)), np.maximum(most, x.max(0))
    return _Part(products, sums, least, most)


def _blocks(rows: Rows) -> Iterator[NDArray[np.float32]]:
    """Cells made dense, `BLOCK` at a time; each block is overwritten by the next."""
    block = np.empty((BLOCK, rows.shape[1]), dtype=np.float32)
    filled = 0
    for _, chunk in rows.chunks():
        done = 0
        while done < chunk.shape[0]:
            some = min(BLOCK - filled, chunk.shape[0] - done)
            part = chunk[done : done + some]
            block[filled : filled + some] = part.toarray() if sparse.issparse(part) else part
            done, filled = done + some, filled + some
            if filled == BLOCK:
                yield block
                filled = 0
    if filled:
        yield block[:filled]
