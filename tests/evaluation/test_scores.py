"""Scores, and what is asked of them."""

from __future__ import annotations

import pytest

from cellam.errors import ConfigError
from cellam.evaluation.scores import FEWEST_DRAWS, check_n_boot


def test_too_few_draws_give_no_interval():
    check_n_boot(FEWEST_DRAWS)
    for n in (0, 1, FEWEST_DRAWS - 1):
        with pytest.raises(ConfigError, match=f"n_boot={n}"):
            check_n_boot(n)
