"""What scores say against a fit, and against going beyond the last day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellam.checks.score_caveats import beyond_last, score_caveats
from cellam.evaluation.scores import COLUMNS, Scores


def scores(values: dict[str, tuple[float, ...]], error: float = 0.1) -> Scores:
    """Scores of one day, by method: W1, energy, and maybe the mass."""
    metrics = ("W1", "energy", "mass")
    rows = [
        {**dict.fromkeys(COLUMNS), "label": "day4", "method": name, "metric": m, "value": v}
        for name, numbers in values.items()
        for m, v in zip(metrics, numbers, strict=False)
    ]
    names = list(values)
    matrix = pd.DataFrame(error**2 * np.eye(len(names)), names, names)
    return Scores(pd.DataFrame(rows), {("day4", m): matrix for m in metrics})


def names(found: Scores | None) -> list[str]:
    return [caveat.name for caveat in score_caveats(found)]


def test_a_counterpart_that_is_ahead_throughout_is_said() -> None:
    (caveat,) = score_caveats(scores({"cellam": (2.0, 3.0, 1.0), "balanced": (1.0, 2.0)}))
    assert "with mass conserved (balanced) predicts better in every metric" in caveat.finding
    assert "W1 1, cellam 2" in caveat.finding
    assert caveat.advice.endswith(
        "fit again with mass conserved (`method='am'`; with noise `method='eam'`)."
    )


def test_one_that_is_ahead_in_one_metric_or_by_chance_is_not() -> None:
    assert names(scores({"cellam": (2.0, 1.0), "balanced": (1.0, 2.0)})) == []
    assert names(scores({"cellam": (2.0, 3.0), "balanced": (1.0, 2.0)}, error=2.0)) == []
    assert names(scores({"cellam": (2.0, 3.0), "previous": (1.0, 2.0)})) == []
    assert names(None) == []


def test_beyond_the_last_day_the_score_of_that_day_is_said_where_there_is_one() -> None:
    caveat = beyond_last(scores({"cellam": (32.1,), "previous": (12.5,)}), "day4")
    assert "W1 32.1, and the day before as it is 12.5, which is nearer" in caveat.finding
    caveat = beyond_last(scores({"cellam": (3.0,), "previous": (12.5,)}), "day4")
    assert "nearer" not in caveat.finding
    assert "holdout='day4'" in beyond_last(None, "day4").advice
