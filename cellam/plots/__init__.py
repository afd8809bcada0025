"""Pictures of a model, in scanpy's manner: `basis`, `color`, `ax`, `save`, and axes returned.

    ax = cellam.plots.velocity(model, adata, basis="umap", color="cell_type")
    cellam.plots.growth(model, adata, save="growth.svg")
    cellam.plots.evaluation(table, metric="energy")

A figure is a plain `matplotlib.figure.Figure` (`ax.figure`) that pyplot does not know of: nothing
has to be closed, and the last line of a notebook's cell shows it.
"""

from cellam.plots.genes import pseudobulk, trends
from cellam.plots.landscape import landscape
from cellam.plots.lineages import fates, flow
from cellam.plots.maps import growth, heldout, trajectories, velocity
from cellam.plots.populations import composition, mass, ranges
from cellam.plots.scores import evaluation, history
from cellam.plots.style import save_figure, theme
from cellam.plots.tables import design, heatmap

__all__ = [
    "composition",
    "design",
    "evaluation",
    "fates",
    "flow",
    "growth",
    "heatmap",
    "heldout",
    "history",
    "landscape",
    "mass",
    "pseudobulk",
    "ranges",
    "save_figure",
    "theme",
    "trajectories",
    "trends",
    "velocity",
]
