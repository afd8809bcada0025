from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cellam.analysis.assignment import Reference, reference, reference_of
from cellam.analysis.composition import composition
from cellam.analysis.descendants import share_alike
from cellam.analysis.fates import predict_fates
from cellam.analysis.flows import flow
from cellam.analysis.perturbation import perturb
from cellam.analysis.results import fates
from cellam.modelling.model import Model
from cellam.reading.cells import Cells

# One answer to one question -----------------------------------------------------------------


@pytest.fixture(params=["all annotated", "a third unannotated"])
def types(request: pytest.FixtureRequest, cells: Cells) -> pd.Series:
    """Types of all cells; the rare one has a handful on each day."""
    found = cells.obs["cell_type"].astype(object)
    found.iloc[::17] = "rare"
    if request.param != "all annotated":
        found.iloc[1::3] = None
    return found


@pytest.fixture(params=["with growth", "without growth", "with noise"])
def any_model(request: pytest.FixtureRequest) -> Model:
    if request.param == "with noise":
        return request.getfixturevalue("noisy_model")
    model = request.getfixturevalue("model")
    if request.param == "with growth":
        assert not model.conserves_mass
        return model
    still = replace(model.fit.objective, growth_scale=0.0)
    return replace(model, fit=replace(model.fit, objective=still, growth=None))


def at_the_end(frame: pd.DataFrame, states: tuple[str, ...]) -> dict[str, float]:
    """Shares of the states of the last day; no other type has one."""
    shares = frame["simulated"].iloc[-1]
    assert not any(share for name, share in shares.items() if name not in states)
    return {name: shares[name] for name in states}


@pytest.mark.parametrize("start", ["day0", "day4"])
def test_commands_agree_on_what_a_day_becomes(
    any_model: Model, cells: Cells, types: pd.Series, start: str
) -> None:
    """Simulated once and followed once, with the same noise; of that, fates keep a share."""
    found = predict_fates(any_model, start, types, draws=1)
    simulated = at_the_end(composition(any_model, any_model.simulate(start), types), found.states)
    by_flow = np.average(found.explanations[0], axis=0, weights=found.mass)
    assert dict(zip(found.states, by_flow, strict=True)) == pytest.approx(simulated)
    row = found.together()
    for state, share in simulated.items():
        assert row["least"][state] - 1e-6 <= share <= row["most"][state] + 1e-6
    flows = flow(any_model, found, types)
    after = flows.groupby("target")["after"].sum() / flows["after"].sum()
    assert after.to_dict() == pytest.approx(row["fate"])
    change = {any_model.space.genes[0]: 1.0}
    perturbed = perturb(any_model, cells, change, start, types)
    before = dict(zip(perturbed.states, perturbed.shares[0], strict=True))
    assert before == pytest.approx(simulated)


def test_commands_agree_on_what_each_type_becomes(
    model: Model, cells: Cells, types: pd.Series
) -> None:
    """The rare type as well; fates are those of the flow, and the rest the same for all."""
    found = predict_fates(model, "day2", types)
    rest = (found.probability - found.kept * found.explanations[0]) / (1 - found.kept)
    assert rest.min() > -1e-9
    np.testing.assert_allclose(rest, np.tile(rest[0], (len(rest), 1)), atol=1e-9)
    known = types.iloc[found.rows].dropna()
    assert (known == "rare").sum() < 5
    of_cells = fates(model, types)
    exported, names = of_cells.probability, of_cells.names
    for row in found.by_type(types)[: known.nunique()]:
        rows = np.flatnonzero(types == row["type"])
        moved = model.simulate("day2", rows=rows)
        simulated = at_the_end(composition(model, moved, types, chosen=True), found.states)
        of = np.isin(found.rows, rows)
        flow_alone = np.average(found.explanations[0, of], axis=0, weights=found.mass[of])
        assert dict(zip(found.states, flow_alone, strict=True)) == pytest.approx(simulated)
        mixed = found.kept * flow_alone + (1 - found.kept) * rest[0]
        assert row["fate"] == pytest.approx(dict(zip(found.states, mixed, strict=True)))
        mean = np.average(exported[found.rows[of]], axis=0, weights=found.mass[of])
        assert dict(zip(names, mean, strict=True)) == pytest.approx(row["fate"])
        change = {model.space.genes[0]: 1.0}
        perturbed = perturb(model, cells, change, "day2", types, rows=rows)
        before = dict(zip(perturbed.states, perturbed.shares[0], strict=True))
        assert before == pytest.approx(simulated)


def test_cells_share_alike_only_with_near_cells_of_their_type() -> None:
    cells = on_a_line(*[0] * 40, *[1] * 3, *[0] * 40, -1, -1)
    mass = np.random.default_rng(0).lognormal(0, 3, 85)
    share = share_alike(cells, mass).toarray()
    np.testing.assert_allclose(share.sum(1), 1)
    np.testing.assert_allclose(mass @ share, mass)
    assert (share >= 0).all()
    i, j = np.nonzero(share)
    assert (cells.codes[i] == cells.codes[j]).all()
    assert np.abs(i - j).max() <= 10
    assert (share > 0).sum() > 3 * 85


def test_many_cells_in_one_place_are_no_trouble() -> None:
    same = Reference(np.zeros((60, 2)), np.arange(60) % 30, tuple(f"t{k:02d}" for k in range(30)))
    share = share_alike(same, np.ones(60)).toarray()
    np.testing.assert_allclose(share.sum(0), 1)
    np.testing.assert_allclose(share.sum(1), 1)


# The rule -----------------------------------------------------------------------------------


def on_a_line(*codes: int, names: tuple[str, ...] = ("a", "b")) -> Reference:
    return Reference(np.arange(float(len(codes)))[:, None], np.array(codes), names)


def test_a_position_counts_for_the_ten_nearest_annotated_cells() -> None:
    cells = on_a_line(*[0] * 6, *[-1] * 20, *[1] * 30)
    np.testing.assert_allclose(cells.assign(np.array([[0.0], [50.0]])), [[0.6, 0.4], [0, 1]])
    near = cells.nearest(np.array([[0.0]]))
    assert near.shape == (1, 56)
    assert set(near.indices) == {*range(6), *range(26, 30)}


def test_a_cell_is_what_it_was_called_and_a_cell_without_a_name_is_assigned() -> None:
    cells = on_a_line(*[0, 1] * 5, *[0] * 20, -1)
    share = cells.memberships().toarray()
    np.testing.assert_array_equal(share[:10], np.tile(np.eye(2), (5, 1)))
    np.testing.assert_allclose(share[-1], [1, 0])


def test_a_lone_cell_of_a_type_is_never_recognised() -> None:
    cells = on_a_line(*[0] * 30, 1)
    assert cells.recognised().tolist() == [pytest.approx(1 - 0.1 * 5 / 30, abs=0.02), 0]
    assert cells.mixed_up() == {} and cells.rare == ("b",)  # nothing can be said of one cell
    mixed = on_a_line(*[0, 1] * 10)
    assert set(mixed.mixed_up()) == {"a", "b"} and mixed.rare == ()
    np.testing.assert_allclose(cells.bias().sum(), 0, atol=1e-12)
    assert on_a_line(0, names=("a",)).recognised().tolist() == [1]  # nothing to compare it with


def test_types_far_apart_are_recognised(model: Model, cells: Cells) -> None:
    x = np.vstack([np.zeros((20, 2)), np.full((20, 2), 9.0)])
    x += np.random.default_rng(0).standard_normal(x.shape)
    apart = Reference(x, np.repeat([0, 1], 20), ("a", "b"))
    assert apart.recognised().tolist() == [1, 1]
    assert apart.mixed_up() == {}
    np.testing.assert_array_equal(apart.bias(), 0)
    none = pd.Series([None] * len(cells), name="none", dtype=object)
    assert reference(model, [0], none).names == ()
    assert reference_of(model, "day7", cells.obs["cell_type"]).names == ("erythroid", "myeloid")
