"""Regulators: transcription factors that lead more than other genes expressed like them.

Growth, fates and looks are functions of where a cell is, and so is every gene that varies along
the motion: shuffling cells rejects for all of them. The null here is competitive, as of gene sets
[1]_: a factor leads no more than the other genes that are expressed like it. Its lead (`leads`) is
put as standard deviations from the mean of the hundred other genes that are nearest to it by the
ranks of mean expression and of the share of cells that express it, and so is that of each other
gene. The p-value is the share of these that is at least as far up,

    p = (1 + #{other genes with a score ≥ its own}) / (1 + #other genes),

adjusted over the factors by Benjamini and Hochberg. If factors were drawn among the genes by
chance, p would be uniform, whatever the genes have to do with each other or with the motion.

References
----------
.. [1] Goeman and Bühlmann, Analyzing gene expression data in terms of gene sets: methodological
   issues, Bioinformatics 23, 980–987 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.errors import DataError
from cellam.names import plural
from cellam.reading.factors import Factors

Array = NDArray[np.float64]

LIKE = 100  # other genes that a gene is compared with
DETECTED = 10  # cells that have to express a gene
FEW = 20  # factors, of a list that has many more
LEVEL = 0.05  # false discovery rate


@dataclass(frozen=True)
class Regulators:
    """Transcription factors, and how much more they lead than genes expressed like them.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each factor that at least ten cells express, the most leading first: gene, before,
        after, lead, above (share of the other genes with a lower score), p_value, q_value.
    source : str
        Where the names of the factors are from.
    listed : int
        How many they are.
    others : int
        Genes that are no factors, with which these are compared.
    gaps : int
        Gaps between training days over which cells were followed.
    """

    table: pd.DataFrame
    source: str
    listed: int
    others: int
    gaps: int

    @property
    def leading(self) -> int:
        """Factors with a q-value below 0.05."""
        return int((self.table["q_value"] < LEVEL).sum())

    @property
    def says(self) -> str:
        """How many lead by that rate, of how many."""
        return f"{self.leading} of {plural(len(self.table), 'transcription factor')}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes little of the answer, in sentences."""
        found = []
        if self.gaps == 1:
            found.append(
                "Two days leave one gap, so nothing shows whether leads are the same later."
            )
        if len(self.table) < min(FEW, self.listed / 2):
            found.append(
                f"{plural(len(self.table), 'transcription factor')} of {self.listed:,} can be "
                "ranked: data of variable genes only, or of few cells, miss most of them."
            )
        return tuple(found)

    def with_all(self, genes: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
        """The table of all genes with the columns of `leads.leads`, and of these for factors."""
        own = self.table[["gene", "above", "p_value", "q_value"]]
        own = own.rename(columns={"p_value": "lead_p_value", "q_value": "lead_q_value"})
        return genes.merge(found, on="gene", how="left").merge(own, on="gene", how="left")


def regulators(
    genes: pd.DataFrame, found: pd.DataFrame, factors: Factors, *, cells: int, gaps: int
) -> Regulators:
    """Compare transcription factors with the genes expressed like them.

    Parameters
    ----------
    genes : pandas.DataFrame
        gene, mean and share_of_cells, as of `drivers.drivers`.
    found : pandas.DataFrame
        gene, before, after and lead, as of `leads.leads`.
    factors : Factors
    cells : int
        Cells that the shares are of.
    gaps : int
        Gaps that the leads are of.

    Raises
    ------
    DataError
        If none of the genes is a factor, or fewer than a hundred others are left.
    """
    frame = genes[["gene", "mean", "share_of_cells"]].merge(found, on="gene").dropna()
    frame = frame[frame["share_of_cells"] * cells > DETECTED - 0.5]
    ours = np.array(factors.among(list(frame["gene"])), dtype=bool)
    if not ours.any():
        raise DataError(
            f"None of the {plural(len(factors.names), 'transcription factor')} of "
            f"{factors.source} is among the {plural(len(frame), 'gene')} that at least {DETECTED} "
            f"of these cells express ({', '.join(list(frame['gene'])[:3])}, …).",
            "Use a list with names like those of the data: `tf=FILE`, with one name a line.",
        )
    others = int((~ours).sum())
    if others < LIKE:
        raise DataError(
            f"{plural(others, 'gene')} of the data that at least {DETECTED} of these cells express "
            f"{'is' if others == 1 else 'are'} not in the list of transcription factors; at least "
            f"{LIKE} are needed to compare factors with.",
            "Use a file with all genes, not only factors.",
        )
    above, p = compete(frame["lead"].to_numpy(), frame[["mean", "share_of_cells"]].to_numpy(), ours)
    return Regulators(
        _table(frame[ours], above, p), factors.source, len(factors.names), others, gaps
    )


def _table(frame: pd.DataFrame, above: Array, p: Array) -> pd.DataFrame:
    from scipy.stats import false_discovery_control

    more = {"above": above, "p_value": p, "q_value": false_discovery_control(p)}
    table = frame.assign(**more)[["gene", "before", "after", "lead", *more]]
    order = ["p_value", "lead"]
    return table.sort_values(order, ascending=[True, False], kind="stable", ignore_index=True)


def compete(value: Array, expressed: Array, ours: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Which share of other genes has less, and p, for some genes among those expressed like them.

    Parameters
    ----------
    value : (g,) array
    expressed : (g, c) array
        Numbers by whose ranks genes are alike.
    ours : (g,) bool array
        The genes that are asked about; the other ones, at least a hundred, are compared with.

    Returns
    -------
    above, p : (k,) arrays
    """
    from scipy.spatial import KDTree
    from scipy.stats import rankdata

    place = np.column_stack([rankdata(column) for column in expressed.T])
    others = np.flatnonzero(~ours)
    k = min(LIKE + 1, len(others))
    near = others[KDTree(place[others]).query(place, k=k)[1]]
    itself = near == np.arange(len(value))[:, None]
    # A gene is not compared with itself, nor is any with one more than the others.
    itself[~itself.any(1), -1] = True
    like = value[near[~itself]].reshape(len(value), k - 1)
    score = (value - like.mean(1)) / np.maximum(like.std(1), 1e-12)
    null = np.sort(score[others])
    below = np.searchsorted(null, score[ours], side="left")
    return below / len(null), (1 + len(null) - below) / (1 + len(null))
