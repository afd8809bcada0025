"""Expression: the values of genes in X, a layer or raw, what they are, and which genes to take.

Genes are sorted by name, so their order in the file cannot matter to anything that follows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from cellam.errors import DataError
from cellam.options import Kind
from cellam.reading.absent import Days, absent_genes, check_missing
from cellam.reading.amounts import Matrix
from cellam.reading.matrices import check_names, read_numbers
from cellam.reading.sources import Source
from cellam.reading.stores import SAVE_AGAIN
from cellam.reading.time_labels import closest
from cellam.reading.values import Form, judge

RAW = "raw"


class Expression(NamedTuple):
    """Expression (n, g), the names of the genes, sorted, and what its values are."""

    matrix: Matrix
    genes: tuple[str, ...]
    form: Form
    notes: tuple[str, ...] = ()


def read_expression(
    source: Source, layer: str | None, days: Days, told: Kind | None = None
) -> Expression:
    """Read the expression of X, a layer, or raw.

    A gene that was not measured on some days is left out (see `absent`). Where the values are
    scaled, the notes name what there is beside them.

    Parameters
    ----------
    source : Source
    layer : str or None
        None for X; "raw" for `adata.raw`, unless there is a layer of that name.
    days : Days
    told : {"counts", "normalised", "log", "scaled"}, optional
        What the user says that the values are.

    Raises
    ------
    DataError
        If there is no such matrix, or its values cannot be used; the message says why.
    """
    matrix, genes, where = _read(source, layer, len(days.codes))
    absent, notes = absent_genes(matrix, genes, days, where)
    if absent.any():
        matrix = matrix[:, np.flatnonzero(~absent)]
        genes = tuple(gene for gene, is_absent in zip(genes, absent, strict=True) if not is_absent)
    check_missing(matrix, genes, days, where)
    form = judge(matrix, days.codes, days.labels, where, told)
    if form.kind == "scaled" and told is None:
        notes += _beside(source, layer, days)
    return Expression(matrix, genes, form, (*notes, *form.notes))


def layers_of(source: Source) -> tuple[str, ...]:
    """What `layer` may name: the layers, and raw if it is there."""
    layers = source.keys("layers")
    has_raw = RAW not in layers and source.shape(f"{RAW}/X") is not None
    return (*layers, RAW) if has_raw else tuple(layers)


def _read(source: Source, layer: str | None, n_cells: int) -> tuple[Matrix, tuple[str, ...], str]:
    """A matrix as numbers, some of them perhaps missing, with its genes sorted, and its name."""
    is_raw = layer == RAW and RAW not in source.keys("layers")
    path = "X" if layer is None else f"{RAW}/X" if is_raw else f"layers/{layer}"
    value = source.element(path)
    if value is None and layer is not None:
        known = layers_of(source)
        near = closest(layer, known)
        raise DataError(
            f"{source.name} has no {'raw' if is_raw else f'layer {layer!r}'}; its layers are: "
            f"{', '.join(known) or 'none'}.",
            f"Use `layer={near!r}`, or leave it out to use X."
            if near
            else "Leave out `layer` to use X.",
        )
    if value is None or 0 in getattr(value, "shape", ()):
        reps = source.keys("obsm")
        raise DataError(
            f"{source.name} has no expression matrix in X.",
            f"Use `use_rep` with one of: {', '.join(reps)}."
            if reps
            else "Save the data with the expression in X, or in a layer that you name with "
            "`layer`.",
        )
    where = f"{path} of {source.name}"
    matrix = read_numbers(value, where, "biuf", n_cells, may_lack=True)
    names = getattr(source.element(f"{RAW}/var" if is_raw else "var"), "index", None)
    if names is None:
        raise DataError(f"{source.name} has no gene names: its var is not a table.", SAVE_AGAIN)
    if matrix.shape[1] != len(names):
        raise DataError(
            f"{where} has {matrix.shape[1]:,} columns for {len(names):,} genes.", SAVE_AGAIN
        )
    check_names(names, "gene", "var_names", source.name)
    return (*_sorted_by_gene(matrix, tuple(map(str, names))), where)


def _beside(source: Source, layer: str | None, days: Days) -> tuple[str, ...]:
    """Where values that are not scaled lie beside those that are."""
    for other in sorted(layers_of(source), key=lambda name: name != RAW):
        if other == layer:
            continue
        try:
            matrix, genes, where = _read(source, other, len(days.codes))
            check_missing(matrix, genes, days, where)
            form = judge(matrix, days.codes, days.labels, where)
        except DataError:  # it is no better
            continue
        if form.kind != "scaled":
            return (
                f"{('raw' if other == RAW else f'layer {other}')} holds {form.words} of "
                f"{len(genes):,} genes, which are better for the fit: `layer={other!r}`",
            )
    return ()


def _sorted_by_gene(matrix: Matrix, genes: tuple[str, ...]) -> tuple[Matrix, tuple[str, ...]]:
    order = sorted(range(len(genes)), key=genes.__getitem__)
    if order == list(range(len(genes))):
        return matrix, genes
    if sparse.issparse(matrix):
        place: Any = np.empty(len(order), dtype=matrix.indices.dtype)
        place[order] = np.arange(len(order))
        parts = (matrix.data.copy(), place[matrix.indices], matrix.indptr)
        matrix = sparse.csr_matrix(parts, shape=matrix.shape)
        matrix.sort_indices()
    else:
        matrix = matrix[:, order]
    return matrix, tuple(genes[k] for k in order)
