"""Scores: a table of held-out days, and how its values vary together.

Two scores of a day share the cells that were measured, so their errors go together. Skill,
which is a ratio of differences of scores, needs their covariance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cellam.errors import ConfigError

FEWEST_DRAWS = 100  # of a bootstrap: fewer say nothing of an interval
COLUMNS = (
    "time", "label", "method", "metric", "value", "low", "high", "n", "draws", "extrapolation",
    "seen", "refits", "fit_seconds", "n_boot",
)  # fmt: skip


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
    """

    table: pd.DataFrame
    covariance: Mapping[tuple[str, str], pd.DataFrame]

    @property
    def labels(self) -> tuple[str, ...]:
        """The held-out days."""
        return tuple(dict.fromkeys(self.table["label"]))

    @staticmethod
    def join(scores: Iterable[Scores]) -> Scores:
        """The scores of several days."""
        scores = list(scores)
        table = pd.concat([one.table for one in scores], ignore_index=True)
        return Scores(table, {key: c for one in scores for key, c in one.covariance.items()})

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
        return Scores(table, {key: c for key, c in self.covariance.items() if key in there})

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain rows, for JSON."""
        return [
            {
                str(key): value.item() if hasattr(value, "item") else value
                for key, value in row.items()
            }
            for row in self.table.to_dict("records")
        ]

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
        return {"rows": self.rows(), "covariance": covariance}

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
        )


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
