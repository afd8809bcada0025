"""Every metric, as the registry has it, and methods whose random numbers are their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cellam
from cellam.days.time_labels import known_names
from cellam.dynamics.distances import Comparison
from cellam.evaluation import baselines, contest, metrics
from cellam.evaluation.baselines import Baseline
from cellam.evaluation.contenders import Contender
from cellam.evaluation.contest import METHODS
from cellam.evaluation.gene_space import Genes
from cellam.evaluation.metrics import DISTANCES, METRICS, Annotation, Metric, Sample
from cellam.evaluation.scoring import score

K = 3  # types


@pytest.fixture(scope="module")
def annotation() -> Annotation:
    """Three types in three places, as many cells of each on the day."""
    rng = np.random.default_rng(2)
    types = np.repeat(np.arange(K), 40)
    x = rng.standard_normal((K * 40, 3)) + 3.0 * types[:, None]
    return Annotation(x, types, np.full(K, 1 / K))


def clouds(n: int, m: int) -> tuple[Sample, Sample]:
    """A weighted prediction, and a day whose every second cell is annotated."""
    rng = np.random.default_rng(1)
    x, y = 3 * rng.standard_normal((n, 3)), 1 + 3 * rng.standard_normal((m, 3))
    u, v = (w / w.sum() for w in (0.5 + rng.random(n), 0.5 + rng.random(m)))
    types = np.where(np.arange(m) % 2, rng.integers(0, K, m), -1)
    axes, origin = np.linalg.qr(rng.standard_normal((7, 3)))[0].T, rng.random(7)
    expression = y @ axes + origin + 0.1 * rng.standard_normal((m, 7))
    genes = Genes(expression, axes, origin)
    return Sample(x, u, 3.0), Sample(y, v, 2.0, types, genes)


@pytest.mark.parametrize("name", DISTANCES)
def test_metrics_of_points_scale_with_the_points_as_they_say(name):
    metric, (a, b) = METRICS[name], clouds(40, 60)
    small = metric.compare(a, b, None).value
    large = metric.compare(Sample(3 * a.x, a.share), Sample(3 * b.x, b.share), None).value
    assert large == pytest.approx(3**metric.degree * small)


@pytest.mark.parametrize("name", [name for name in DISTANCES if name != "MMD2"])
def test_metrics_of_points_are_symmetric(name):
    a, b = clouds(40, 60)
    there, back = METRICS[name].compare(a, b, None), METRICS[name].compare(b, a, None)
    assert there.value == pytest.approx(back.value)


@pytest.mark.parametrize("name", METRICS)
def test_influence_is_centred(name, annotation):
    a, b = clouds(40, 60)
    even = np.full(60, 1 / 60) if name == "composition" else b.share  # draws of a day are even
    found = METRICS[name].compare(a, b, annotation)
    assert a.share @ found.of_x == pytest.approx(0, abs=1e-9)
    assert even @ found.of_y == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_influence_is_the_change_when_a_predicted_cell_counts_more(name, annotation):
    metric, small, (a, b) = METRICS[name], 1e-5, clouds(150, 150)
    found = metric.compare(a, b, annotation)
    # Leaving pairs of a cell with itself out depends on weights too, by one in n.
    allowed = (0.05 if name in ("energy", "MMD2") else 1e-3) * np.abs(found.of_x).max()
    for k in range(0, 150, 30):
        share = a.share + small * (np.eye(150)[k] - a.share)
        more = metric.compare(Sample(a.x, share, a.mass), b, annotation)
        change = (more.value - found.value) / small
        assert change == pytest.approx(found.of_x[k], rel=1e-3, abs=allowed + 1e-9)


@pytest.mark.parametrize("name", DISTANCES)
def test_influence_is_the_change_when_a_measured_cell_counts_more(name):
    metric, small, (a, b) = METRICS[name], 1e-5, clouds(150, 150)
    found = metric.compare(a, b, None)
    allowed = (0.05 if name in ("energy", "MMD2") else 1e-3) * np.abs(found.of_y).max()
    for k in range(0, 150, 30):
        more = metric.compare(a, Sample(b.x, b.share + small * (np.eye(150)[k] - b.share)), None)
        change = (more.value - found.value) / small
        assert change == pytest.approx(found.of_y[k], rel=1e-3, abs=allowed)


def test_shares_of_types_differ_by_what_is_missing(annotation):
    """All of the prediction at the first type, half of the day at each of the first and third."""
    here = Sample(np.tile(annotation.x[0], (20, 1)), np.full(20, 0.05))
    day = Sample(np.zeros((20, 3)), np.full(20, 0.05), types=np.repeat([0, 2], 10))
    at_first = METRICS["composition"].compare(here, day, annotation).value
    assert at_first == pytest.approx(0.5, abs=0.11)  # a neighbour of ten may be of the second
    unknown = Sample(day.x, day.share, types=np.full(20, -1))
    by_day = METRICS["composition"].compare(here, unknown, annotation).value
    assert by_day == pytest.approx(2 / 3, abs=0.11)  # the day stands for its draw


def test_a_metric_says_nothing_of_what_is_not_known():
    a, b = clouds(10, 10)
    assert METRICS["composition"].compare(a, b, None) is None
    assert METRICS["mass"].compare(Sample(a.x, a.share), b, None) is None
    assert METRICS["mass"].compare(a, b, None).value == pytest.approx(0.5)  # 3 for 2


def test_names_are_known_in_any_case_and_once():
    assert known_names(["MASS", "w1", "Mass"], METRICS, "metric") == ("mass", "W1")


# Random numbers ----------------------------------------------------------------------------------


def test_streams_of_random_numbers_are_fixed_and_no_two_methods_share_one():
    streams = {name: method.stream for name, method in METHODS.items()}
    # The same fit from one side: where there is no other, it has the same score.
    assert streams.pop("forward") == streams["cellam"]
    assert len(set(streams.values())) == len(streams)
    # Those of scores that were published; a new method takes a number of its own.
    published = {
        "cellam": 0, "balanced": 1, "unbalanced": 2, "previous": 3, "next": 4, "mixture": 5,
        "ot": 6, "floor": 7, "no-prior": 8, "no-clones": 9, "no-velocity": 10,
    }  # fmt: skip
    assert {name: streams[name] for name in published} == published


def test_no_score_depends_on_the_order_of_a_registry_nor_on_what_else_is_in_it(cells, monkeypatch):
    model = cellam.fit(cells, exclude=("day2",), n_features=32, n_pcs=3, tau=1.0)
    types = cells.obs["cell_type"]

    def scored(names=tuple(METRICS)) -> pd.DataFrame:
        found = score(model, "day2", metrics=names, types=types).table
        return found.set_index(["metric", "method"])[["value", "low", "high"]].sort_index()

    before = scored()

    def jittered(sides, rng) -> Contender:
        """A baseline with chance of its own."""
        k, own = sides.before, np.random.default_rng([99])
        x = sides.training.points[k] + own.standard_normal(sides.training.points[k].shape)
        rows = np.arange(len(x))
        return Contender(x, np.ones(len(x)), rows[:, None], np.ones(1), 0 * rows, None)

    def farthest(predicted, measured, _) -> Comparison:
        gap = abs(predicted.x.max() - measured.x.max())
        return Comparison(gap, np.zeros(len(predicted.x)), np.zeros(len(measured.x)))

    more = Baseline("jittered", "the shaken {day} before", "the day before, shaken", 99, jittered)
    reordered = {name: baselines.BASELINES[name] for name in reversed(baselines.BASELINES)}
    monkeypatch.setattr(baselines, "BASELINES", {"jittered": more, **reordered})
    turned = {name: METHODS[name] for name in reversed(METHODS)}
    monkeypatch.setattr(contest, "METHODS", {"jittered": more, **turned})
    monkeypatch.setitem(metrics.METRICS, "farthest", Metric("farthest", 1, "the end", farthest))
    after = scored(("farthest", *reversed(tuple(METRICS))))
    assert ("farthest", "jittered") in after.index
    pd.testing.assert_frame_equal(after.loc[before.index], before, check_exact=True)
