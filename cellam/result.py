"""Result: an answer that knows its table, its JSON and how a notebook shows it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pandas as pd

from cellam.display import Displayed
from cellam.storage import json_text

ROWS, COLUMNS = 8, 8  # of the table in a notebook


class Result(Displayed):
    """An answer with a table, a JSON object and a short form."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The whole table, as the command writes it."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The answer as plain values; numbers may be NaN."""

    def to_json(self) -> str:
        """One line of strict JSON, the same that the command prints with --json."""
        return json_text(self.to_dict())

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        table = frame.to_html(max_rows=ROWS, max_cols=COLUMNS, border=0, show_dimensions=True)
        return super()._repr_html_() + table
