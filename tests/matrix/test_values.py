"""That values are known for what they are, whatever was done to counts whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cellam
from cellam.coordinates.embedding import fit_space
from cellam.errors import ConfigError, DataError

N_DAY, N_GENES = 60, 150
DAYS = np.repeat([0.0, 2.0, 4.0], N_DAY)
MIDDLE = (DAYS == 2.0)[:, None]


def draw(depth: float, spread: float = 0.35) -> np.ndarray:
    """Counts of cells that move, whose depth varies as it does in practice."""
    rng = np.random.default_rng(0)
    level = rng.normal(0, 1.5, N_GENES) + 0.2 * DAYS[:, None] * rng.normal(0, 1, N_GENES)
    rate = np.exp(level + rng.normal(0, 0.2, level.shape))
    rate *= depth * rng.lognormal(0, spread, (len(DAYS), 1)) / rate.sum(1, keepdims=True)
    return rng.poisson(rate).astype(np.float64)


COUNTS = draw(800)
SHARES = COUNTS / COUNTS.sum(1, keepdims=True)
LOG = np.log1p(1e4 * SHARES)
SCALED = (LOG - LOG.mean(0)) / (LOG.std(0) + 1e-9)
SOME = np.argsort(-LOG.var(0))[:50]  # the most variable genes, of which sums vary
RNG = np.random.default_rng(1)
EACH = RNG.uniform(0.7, 1, COUNTS.shape)

FORMS = {
    "counts": ("counts", COUNTS),
    "counts less a tenth": ("counts", 0.9 * COUNTS),
    "counts less ambient RNA": ("counts", np.maximum(COUNTS - 0.05 * COUNTS.mean(0), 0)),
    "counts, each less some": ("counts", COUNTS * EACH),
    "counts with reads shared out": (
        "counts",
        COUNTS + np.where((COUNTS > 0) & (EACH < 0.75), 0.5 - EACH, 0),
    ),
    "counts of some genes, each less some": ("counts", (COUNTS * EACH)[:, SOME]),
    "proportions": ("normalised", SHARES),
    "percent": ("normalised", 100 * SHARES),
    "per million": ("normalised", 1e6 * SHARES),
    "per ten thousand": ("normalised", 1e4 * SHARES),
    "per ten thousand, some genes": ("normalised", 1e4 * SHARES[:, SOME]),
    "log": ("log", LOG),
    "log of some genes": ("log", LOG[:, SOME]),
    "log2": ("log", np.log2(1 + 1e4 * SHARES)),
    "log10": ("log", np.log10(1 + 1e4 * SHARES)),
    "log of per million": ("log", np.log1p(1e6 * SHARES)),
    "square roots": ("log", np.sqrt(1e4 * SHARES)),
    "scaled": ("scaled", SCALED),
    "batch-corrected": ("scaled", LOG - 0.3 * (EACH < 0.72)),
}


def with_values(X: object) -> anndata.AnnData:
    adata = anndata.AnnData(X, obs=pd.DataFrame({"day": DAYS}, index=[f"c{k}" for k in range(180)]))
    adata.var_names = [f"gene{k}" for k in range(adata.n_vars)]
    return adata


def read(X: np.ndarray, **options: object) -> cellam.Cells:
    return cellam.read(with_values(X.astype(np.float32)), **options)


def refused(X: np.ndarray, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        read(X, **options)
    return caught.value


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("name", FORMS)
def test_whatever_was_done_to_counts_is_known(name: str, form: Callable[..., object]) -> None:
    kind, X = FORMS[name]
    found = cellam.read(with_values(form(X.astype(np.float32))))
    assert found.kind == kind
    assert not found.notes


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
def test_counts_are_counts_in_any_type(dtype: str) -> None:
    found = cellam.read(with_values(np.minimum(COUNTS, 200).astype(dtype)))
    assert found.kind == "counts"


def test_a_single_fraction_leaves_counts_counts_and_is_told() -> None:
    X = COUNTS.copy()
    X[3, 5] = 0.5
    assert read(X).form.describe() == "counts, with fractions in 1 cell, normalised and logged"


@pytest.mark.parametrize("name", ["counts less a tenth", "counts, each less some"])
def test_depth_of_a_day_is_no_motion_in_fractional_counts(name: str) -> None:
    """Four times as many reads on one day move its cells no farther than the same reads."""
    factor = FORMS[name][1] / np.maximum(COUNTS, 1)

    def moved(counts: np.ndarray) -> float:
        cells = read(counts * np.where(counts > 0, factor, 0))
        x = fit_space(cells, np.full(180, True), n_pcs=5).embed(cells)
        return float(np.linalg.norm(x[DAYS == 2].mean(0) - x[DAYS == 0].mean(0)))

    assert moved(np.where(MIDDLE, 4 * COUNTS, COUNTS)) == pytest.approx(moved(COUNTS), rel=0.1)


@pytest.mark.parametrize("name", ["proportions", "percent"])
def test_shares_are_logged_on_the_scale_of_counts(name: str) -> None:
    """Logs of numbers near zero would be the numbers, ruled by the few largest genes."""
    cells, of_counts = read(FORMS[name][1]), read(COUNTS)
    everyone = np.full(180, True)
    library = fit_space(of_counts, everyone).library
    assert fit_space(cells, everyone).library == pytest.approx(library, rel=0.05)


BESIDE = {
    "log beside counts": np.where(MIDDLE, LOG, COUNTS),
    "log of some genes beside counts": np.where(MIDDLE, LOG, COUNTS)[:, SOME],
    "normalised beside counts": np.where(MIDDLE, 1e4 * SHARES, COUNTS),
    "normalised beside log": np.where(MIDDLE, 1e4 * SHARES, LOG),
    "per million beside ten thousand": np.where(MIDDLE, 1e6 * SHARES, 1e4 * SHARES),
    "the same of some genes": np.where(MIDDLE, 1e6 * SHARES, 1e4 * SHARES)[:, SOME],
    "logs of other sums": np.where(MIDDLE, np.log1p(1e6 * SHARES), LOG),
    "log2 beside log": np.where(MIDDLE, np.log2(1 + 1e4 * SHARES), LOG),
    "proportions beside ten thousand": np.where(MIDDLE, SHARES, 1e4 * SHARES),
    "scaled beside log": np.where(MIDDLE, SCALED, LOG),
    "scaled beside counts": np.where(MIDDLE, SCALED, COUNTS),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_day_in_another_form_is_refused_with_a_line_for_each_day(name: str) -> None:
    error = refused(BESIDE[name])
    assert [line.split()[0] for line in error.message.splitlines()[1:]] == ["0", "2", "4"]
    assert "`values` " in error.hint


def test_logs_of_counts_are_no_logs_of_normalised_values_whatever_their_sums() -> None:
    total = np.median(COUNTS.sum(1))  # so that sums do not tell them apart
    error = refused(np.where(MIDDLE, np.log1p(COUNTS), np.log1p(total * SHARES)))
    assert "\n    2  log values" in error.message


@pytest.mark.parametrize("depth", [0.3, 0.1, 0.05])
def test_a_shallow_day_of_fractional_counts_is_not_taken_for_logs(depth: float) -> None:
    counts = draw(800, spread=0.1)
    thin = np.random.default_rng(2).binomial(counts.astype(int), np.where(MIDDLE, depth, 1.0))
    X = thin * EACH
    assert X[MIDDLE[:, 0]].max() < X[~MIDDLE[:, 0]].max() / 2
    assert read(X).kind == "counts"


def test_logs_of_values_plus_a_small_number_are_in_one_form() -> None:
    X = np.random.default_rng(0).poisson(12, (180, 20)) * (RNG.random((180, 20)) > 0.15)
    logs = np.log(1e4 * X / X.sum(1, keepdims=True) + 1e-9)
    assert 0.02 < (logs > 0).all(1).mean() < 0.2  # some cells have no value below zero
    assert read(logs).kind == "scaled"


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_days_that_were_scaled_by_themselves_are_told(form: Callable[..., object]) -> None:
    def scale(X: np.ndarray) -> np.ndarray:
        return (X - X.mean(0)) / (X.std(0) + 1e-9)

    def notes(X: np.ndarray) -> tuple[str, ...]:
        return cellam.read(with_values(form(X.astype("f4")))).notes

    each = np.concatenate([scale(LOG[day == DAYS]) for day in (0.0, 2.0, 4.0)])
    alone = np.where(MIDDLE, each, 0)
    alone[DAYS != 2] = scale(LOG[DAYS != 2])
    assert notes(SCALED) == ()
    assert any("same mean on every day" in note for note in notes(each))
    assert any("zero on 2:" in note for note in notes(alone))


@pytest.mark.parametrize("n", [3, 20])
@pytest.mark.parametrize(
    ("one", "other"), [(COUNTS, LOG), (LOG, COUNTS), (LOG, 1e4 * SHARES), (LOG, SCALED)]
)
def test_cells_in_another_form_within_a_day_are_refused_with_their_number(
    one: np.ndarray, other: np.ndarray, n: int
) -> None:
    X = one.copy()
    X[70 : 70 + n] = other[70 : 70 + n]
    message = refused(X).message
    assert f"{n} cells with" in message or f"{n} of 60 cells" in message


@pytest.mark.parametrize("other", [0.9 * COUNTS, 3 * COUNTS])
def test_counts_of_any_depth_or_fraction_stand_side_by_side(other: np.ndarray) -> None:
    assert read(np.where(MIDDLE, other, COUNTS)).kind == "counts"


def test_logs_of_counts_that_were_not_normalised_are_told() -> None:
    (note,) = read(np.log1p(COUNTS)).notes
    assert "depth" in note
    depths = 800 * np.random.default_rng(3).lognormal(0, 0.05, (len(SHARES), 1))
    assert read(np.log1p(np.rint(depths * SHARES))).notes == ()  # as `SCTransform` corrects them


def test_a_user_settles_what_the_values_are() -> None:
    mixed = BESIDE["log beside counts"]
    for kind in ("counts", "normalised", "log", "scaled"):
        cells = read(mixed, values=kind)
        assert (cells.kind, cells.reading.values) == (kind, kind)
        assert cells.digest == read(mixed, values="counts").digest
    assert "below zero in 180 cells" in refused(SCALED, values="counts").message
    with pytest.raises(ConfigError, match=r"`values` takes counts, .* not guess"):
        read(COUNTS, values="guess")


def test_few_genes_may_be_coordinates_and_are_not_compared_between_days() -> None:
    x = np.abs(RNG.normal(DAYS[:, None], 0.2, (180, 2)))
    assert read(x).kind == "log"
