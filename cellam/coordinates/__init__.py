"""Coordinates: where each cell is, and where a new one would be.

The space (`space`) is a representation of the file, or a PCA of variable genes (`dispersions`,
`gram`, `principal`, `embedding`) from which shifts between batches are taken (`batch_shift`). Cells
that were not in the fit are placed in it by their genes (`placing`).
"""
