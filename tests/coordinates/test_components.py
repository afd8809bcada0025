"""Principal components that other cells confirm, on data whose number of them is known."""

from __future__ import annotations

import numpy as np
import pytest

from cellam.coordinates.components import FEWEST, confirmed
from cellam.matrix.rows import Rows


def factors(n: int, genes: int, k: int, size: float, seed: int = 0) -> np.ndarray:
    """Cells with k programmes of many genes each, and noise of variance 1 in all genes."""
    rng = np.random.default_rng(seed)
    loadings = np.linalg.qr(rng.standard_normal((genes, k)))[0]
    return size * rng.standard_normal((n, k)) @ loadings.T + rng.standard_normal((n, genes))


@pytest.mark.parametrize("k", [3, 6])
def test_the_number_of_programmes_is_found(k):
    # Noise alone has an sd of 1 + √(400/100) = 3 along the first component of half of them.
    assert confirmed(Rows.of(factors(200, 400, k, 15.0)), 20) == k


def test_noise_has_none_and_two_are_kept():
    assert confirmed(Rows.of(factors(120, 600, 1, 0.0)), 20) == FEWEST


def test_many_cells_confirm_all_that_are_asked_for():
    assert confirmed(Rows.of(factors(3_000, 60, 20, 10.0)), 20) == 20


def test_few_cells_and_few_genes_are_no_error():
    assert confirmed(Rows.of(factors(6, 4, 1, 5.0)), 3) == 2
    assert confirmed(Rows.of(factors(6, 4, 1, 5.0)), 1) == 1
