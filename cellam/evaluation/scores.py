"""Scores: a table of held-out days, and how its values vary together.

Two scores of a day share the cells that were measured, so their errors go together. Skill,
which is a ratio of differences of scores, needs their covariance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cellam.errors import ConfigError

FEWEST_DRAWS = 100  # of a bootstrap: fewer say nothing of an interval
COLUMNS = (
    "time", "label", "method", "metric", "value", "low", "high", "n", "draws", "extrapolation",
    "seen", "refits", "fit_seconds", "n_boot", "unit", "replicates", "df",
)  # fmt: skip
# Of scores against single replicates, and of replicates against each other (method: replicates).
OF_REPLICATES = ("label", "metric", "method", "replicate", "other", "value", "n", "cells")
PAIRS = "replicates"  # as a method


@dataclass(frozen=True)
class Range:
    """Scores that are many of one kind on a day: a mean and a range in each metric.

    Parameters
    ----------
    name, description : str
        As of a method.
    values : dict of str to (float, float, float)
        By metric: mean, least and largest.
    """

    name: str
    description: str
    values: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Scores:
    """Scores of held-out days.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each day, method and metric, with the columns `COLUMNS`; see `Evaluation`.
    covariance : dict of (label, metric) to pandas.DataFrame
        Of the scores of the methods (rows and columns) over other samples of the cells, in the
        units of the values squared.
    replicates : pandas.DataFrame
        Of days with two or more replicates: a row for each method and replicate that it was scored
        against, and one for each two replicates, with the columns `OF_REPLICATES`.
    """

    table: pd.DataFrame
    covariance: Mapping[tuple[str, str], pd.DataFrame]
    replicates: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(OF_REPLICATES))
    )

    @property
    def labels(self) -> tuple[str, ...]:
        """The held-out days."""
        return tuple(dict.fromkeys(self.table["label"]))

    @staticmethod
    def join(scores: Iterable[Scores]) -> Scores:
        """The scores of several days."""
        scores = list(scores)
        table = pd.concat([one.table for one in scores], ignore_index=True)
        single = [one.replicates for one in scores if len(one.replicates)]
        of_replicates = pd.concat(single or [scores[0].replicates], ignore_index=True)
        covariance = {key: c for one in scores for key, c in one.covariance.items()}
        return Scores(table, covariance, of_replicates)

    def of(self, label: str) -> Scores:
        """The scores of one day."""
        return self._where(self.table["label"] == label)

    def only(self, metrics: Collection[str], methods: Collection[str]) -> Scores:
        """The scores of some methods in some metrics."""
        table = self.table
        return self._where(table["metric"].isin(metrics) & table["method"].isin(methods))

    def _where(self, keep: pd.Series[bool]) -> Scores:
        table = self.table[keep].reset_index(drop=True)
        there = set(zip(table["label"], table["metric"], strict=True))
        covariance = {key: c for key, c in self.covariance.items() if key in there}
        single, methods = self.replicates, {*table["method"], PAIRS}
        kept = [
            (label, metric) in there and method in methods
            for label, metric, method in zip(
                single["label"], single["metric"], single["method"], strict=True
            )
        ]
        return Scores(table, covariance, single[np.array(kept, dtype=bool)])

    def against_each(self, label: str, metric: str) -> pd.DataFrame:
        """Scores of each method (rows) against each replicate of a day (columns)."""
        single = self._single(label, metric)
        single = single[single["method"] != PAIRS]
        return single.pivot(index="method", columns="replicate", values="value")

    def between(self, label: str, metric: str) -> pd.Series[float]:
        """Scores of the replicates of a day against each other: one for each two of them."""
        single = self._single(label, metric)
        values: pd.Series[float] = single.loc[single["method"] == PAIRS, "value"].astype(float)
        return values

    def ranges(self, label: str, method: str) -> list[Range]:
        """Replicates of a day against each other, and a method against each of them.

        Empty where the day has no replicates.
        """
        of_day = self.replicates[self.replicates["label"] == label]
        found = []
        for name, those in (PAIRS, PAIRS), ("to each", method):
            rows = of_day[of_day["method"] == those]
            if not len(rows):
                return []
            k, n = int(rows.groupby("metric").size().max()), int(rows["n"].iloc[0])
            if those == PAIRS:
                pairs = f"{k} pairs" if k > 1 else "one pair"
                told = f"replicates, scored against each other: mean and range of {pairs}"
            else:
                told = f"{method}, scored against each of {k} replicates: mean and range"
            values = {
                str(metric): (float(of.mean()), float(of.min()), float(of.max()))
                for metric, of in rows.groupby("metric")["value"]
            }
            found.append(Range(name, f"{told}, {n:,} cells each", values))
        return found

    def sizes(self, label: str) -> dict[str, int]:
        """The replicates that the methods were scored against on a day, with their cells."""
        single = self.replicates
        single = single[(single["label"] == label) & (single["method"] != PAIRS)]
        return dict(zip(single["replicate"], single["cells"].astype(int), strict=True))

    def _single(self, label: str, metric: str) -> pd.DataFrame:
        single = self.replicates
        return single[(single["label"] == label) & (single["metric"] == metric)]

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain rows, for JSON."""
        return _plain(self.table)

    def of_replicates(self) -> list[dict[str, Any]]:
        """Scores against single replicates, and between them, as plain rows."""
        return _plain(self.replicates)

    def to_json(self) -> dict[str, Any]:
        """Everything as values that JSON can hold."""
        covariance = [
            {
                "label": label,
                "metric": metric,
                "methods": list(matrix.index),
                "values": matrix.to_numpy(dtype=float).tolist(),
            }
            for (label, metric), matrix in self.covariance.items()
        ]
        return {
            "rows": self.rows(),
            "covariance": covariance,
            "replicates": self.of_replicates(),
        }

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Scores:
        """The scores that `to_json` gave.

        Raises
        ------
        KeyError
            If something is missing.
        """
        return Scores(
            pd.DataFrame(stored["rows"]),
            {
                (one["label"], one["metric"]): pd.DataFrame(
                    one["values"], one["methods"], one["methods"], dtype=float
                )
                for one in stored["covariance"]
            },
            # Scores that an earlier version kept have none.
            pd.DataFrame(stored.get("replicates", []), columns=list(OF_REPLICATES)),
        )


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as values that JSON can hold."""
    return [
        {str(key): value.item() if hasattr(value, "item") else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def check_n_boot(n_boot: int) -> None:
    """Refuse a number of draws of which no interval can be made.

    Raises
    ------
    ConfigError
        For fewer than 100.
    """
    if n_boot < FEWEST_DRAWS:
        raise ConfigError(
            f"`n_boot={n_boot!r}`: too few draws for an interval.",
            f"Use at least {FEWEST_DRAWS}.",
        )
