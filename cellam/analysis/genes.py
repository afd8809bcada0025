"""Genes of a fit, found by the names that a user gives."""

from __future__ import annotations

from cellam.days.time_labels import offer, variables
from cellam.errors import ConfigError
from cellam.options import N_TOP_GENES


def find_gene(name: str, genes: tuple[str, ...]) -> str:
    """The gene of that name, in any case where that leaves no doubt.

    Raises
    ------
    ConfigError
        If there is none, or several.

    Examples
    --------
    >>> find_gene("gata1", ("Gata1", "Gata2"))
    'Gata1'
    """
    alike = [gene for gene in genes if gene.lower() == name.lower()]
    if name in genes or len(alike) == 1:
        return name if name in genes else alike[0]
    kept = f" A fit keeps the {N_TOP_GENES:,} most variable genes (`n_top_genes`)."
    raise ConfigError(
        f"Gene {name} is not among the {variables(genes)} of the fit.",
        f"{offer(name, genes, 5)}{kept * (len(genes) == N_TOP_GENES)}",
    )
