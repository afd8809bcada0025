"""Extent: how much there is of cells that are to be read, as the headers of their file say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cellam.files.sources import opened
from cellam.matrix.expression import element_of
from cellam.options import ReadOptions
from cellam.reading.cells import Cells

if TYPE_CHECKING:
    from anndata import AnnData


class Extent(NamedTuple):
    """How much there is of cells.

    Parameters
    ----------
    cells, columns : int
        Of the expression, or of a representation.
    n_bytes : int
        That the expression takes as it is stored, uncompressed; 0 of a representation.
    """

    cells: int
    columns: int
    n_bytes: int

    @staticmethod
    def of(cells: Cells) -> Extent:
        """That of cells which were read."""
        n, p = (int(size) for size in cells.matrix.shape)
        return Extent(n, p, 0 if cells.rep is not None else cells.matrix.n_bytes)

    @staticmethod
    def ahead(data: str | Path | AnnData, reading: ReadOptions) -> Extent | None:
        """That of cells which are to be read; None where the file does not say.

        Raises
        ------
        DataError
            If the file cannot be opened.
        """
        with opened(data) as source:
            if reading.use_rep is not None:
                shape = source.shape(f"obsm/{reading.use_rep}")
                return Extent(*shape, 0) if shape is not None and len(shape) == 2 else None
            arrays = source.arrays(element_of(source, reading.layer))
            return None if arrays is None else Extent(*arrays.shape, arrays.n_bytes)
