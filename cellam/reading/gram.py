"""Gram: products of all pairs of genes, added up over cells, and the components that follow.

Cells are made dense a fixed number at a time, about a centre that is near their mean, so that
little is lost to rounding and the sum does not depend on how the cells are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cellam.reading.rows import Rows

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
    products, sums = np.zeros((g, g)), np.zeros(g)
    first = None
    varies = False
    for block in _blocks(rows):
        x = block - centre
        first = x[0] if first is None else first
        varies = varies or bool((x != first).any())
        products += x.T @ x
        sums += x.sum(0)
    off = sums / n
    return Gram(centre + off, products / n - np.outer(off, off), varies)


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
