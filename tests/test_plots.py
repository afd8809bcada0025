from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

import cellam
from cellam import plots
from cellam.analysis.composition import composition, roles
from cellam.analysis.fates import Fates, predict_fates
from cellam.analysis.flows import flow
from cellam.analysis.growth_range import GrowthRange
from cellam.analysis.over_replicates import rows_of
from cellam.analysis.trends import groups, trends
from cellam.checks.designs import counts_of
from cellam.errors import ConfigError, DataError
from cellam.evaluation.evaluate import Evaluation, evaluate
from cellam.modelling.model import Model
from cellam.modelling.observed import growth_rates
from cellam.modelling.simulated import Simulation
from cellam.plots.labels import spread
from cellam.plots.maps import on_grid
from cellam.reading.cells import Cells
from cellam.reading.palette import find_palette, palette
from cellam.report.findings import growth_by_type
from cellam.report.wording import share_text


@pytest.fixture(scope="module")
def simulation(model: Model) -> Simulation:
    return model.simulate("day0", save_every=1.0)


@pytest.fixture(scope="module")
def frame(model: Model, simulation: Simulation, cells: Cells) -> pd.DataFrame:
    return composition(model, simulation, cells.obs["cell_type"])


@pytest.fixture(scope="module")
def scores(cells: Cells, model: Model) -> Evaluation:
    return evaluate(cells, "day2", model.options, metrics=["W1", "energy"], refits=0)


@pytest.fixture(scope="module")
def fates(model: Model, cells: Cells) -> Fates:
    return predict_fates(model, "day2", cells.obs["cell_type"])


@pytest.fixture
def draw(
    model: Model, simulation: Simulation, frame: pd.DataFrame, scores: Evaluation, fates: Fates,
    small: anndata.AnnData, cells: Cells,
) -> dict[str, Callable[..., Any]]:  # fmt: skip
    """Every kind of picture that takes one pair of axes."""
    few = replace(
        simulation,
        points=simulation.points[:, :5],
        log_weights=simulation.log_weights[:, :5],
        rows=simulation.rows[:5],
    )
    types = small.obs["cell_type"]
    return {
        "velocity": lambda **k: plots.velocity(model, small, **k),
        "growth": lambda **k: plots.growth(model, small, **k),
        "trajectories": lambda **k: plots.trajectories(model, few, small, **k),
        "composition": lambda **k: plots.composition(frame, **k),
        "mass": lambda **k: plots.mass(model, simulation, **k),
        "ranges": lambda **k: plots.ranges(growth_by_type(model, types), "per day", **k),
        "fates": lambda **k: plots.fates(model, [fates], small, **k),
        "flow": lambda **k: plots.flow(flow(model, fates, types), ("day2", "day7"), **k),
        "evaluation": lambda **k: plots.evaluation(scores.table, **k),
        "heatmap": lambda **k: plots.heatmap(rows_of(fates, types), ("day2", "day7"), **k),
        "design": lambda **k: plots.design(counts_of(cells), **k),
        "history": lambda **k: plots.history(model, **k),
    }


KINDS = (
    "velocity", "growth", "trajectories", "composition", "mass", "ranges", "fates", "flow",
    "evaluation", "heatmap", "design", "history",
)  # fmt: skip


# ---------------------------------------------------------------------------- what all share


@pytest.mark.parametrize("kind", KINDS)
def test_axes_of_the_user_are_drawn_into(draw: Any, kind: str) -> None:
    figure = Figure()
    ax = figure.add_subplot()
    assert draw[kind](ax=ax) is ax
    assert ax.has_data()


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(kind, (".png", ".svg", ".pdf")[k % 3]) for k, kind in enumerate(KINDS)]
    + [("history", suffix) for suffix in (".png", ".svg", ".pdf")],
)
def test_the_same_bytes_twice_and_valid_and_nothing_global_changes(
    draw: Any, kind: str, suffix: str, tmp_path: Path
) -> None:
    import matplotlib.pyplot as plt

    before, backend, open_ = dict(mpl.rcParams), mpl.get_backend(), plt.get_fignums()
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    assert isinstance(draw[kind](save=first).figure, Figure)
    draw[kind](save=str(second))
    assert plt.get_fignums() == open_
    assert (mpl.get_backend(), dict(mpl.rcParams)) == (backend, before)
    content = first.read_bytes()
    assert content == second.read_bytes()
    if suffix == ".png":
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            assert 1_000 <= image.width <= 2_130  # 300 dots to the inch
            assert len(np.unique(np.asarray(image.convert("L")))) > 10  # not an empty sheet
    elif suffix == ".svg":
        root = ElementTree.fromstring(content)
        assert root.tag.endswith("svg")
        assert b"dc:date" not in content
    else:
        assert content.startswith(b"%PDF-")
        assert content.rstrip().endswith(b"%%EOF")
        assert b"CreationDate" not in content
    assert sorted(p.name for p in tmp_path.iterdir()) == [first.name, second.name]


@pytest.mark.parametrize("name", ["x.jpg", "x", "x.html"])
def test_other_formats_are_refused_before_the_work(draw: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        draw["history"](save=tmp_path / name)
    assert ".png, .svg, .pdf" in error.value.hint
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_an_error_of_ours(draw: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(cellam.OutputError):
        draw["history"](save=tmp_path / "file" / "x.png")


def test_themes_change_ink_and_paper_and_end(model: Model) -> None:
    with plots.theme("dark"):
        dark = plots.history(model)
    light = plots.history(model)
    assert mpl.colors.to_rgb(dark.figure.get_facecolor()) < (0.2, 0.2, 0.2)
    assert mpl.colors.to_rgb(light.figure.get_facecolor()) == (1, 1, 1)
    assert dark.xaxis.label.get_color() != light.xaxis.label.get_color()


@pytest.mark.parametrize("kind", KINDS)
def test_print_is_one_or_two_columns_wide_with_letters_of_7_points_and_none_is_cut(
    draw: Any, kind: str
) -> None:
    """85 or 180 mm, and no letter below 6 points."""
    figure = draw[kind]().figure
    assert 85 / 25.4 - 1e-6 <= figure.get_size_inches()[0] <= 180 / 25.4 + 1e-6
    FigureCanvasAgg(figure).draw()
    written = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    assert min(t.get_fontsize() for t in written) >= 6
    width, height = figure.bbox.size
    for axes in figure.axes:
        labels = [axes.xaxis.label, axes.yaxis.label]
        assert {t.get_fontsize() for t in labels} == {7}
        for artist in (*labels, *filter(None, [axes.get_legend()])):
            box = artist.get_window_extent()
            assert box.width == 0 or (box.x0 > -1 and box.x1 < width + 1)
            assert box.height == 0 or (box.y0 > -1 and box.y1 < height + 1)


# -------------------------------------------------------------------------- colours of types


def hexes(artists: Iterable[Any]) -> dict[str, str]:
    """Colours of the entries of a legend, or of bars, by name."""
    return {
        str(a.get_label()): mpl.colors.to_hex(
            a.patches[0].get_facecolor() if hasattr(a, "patches") else a.get_color()
        )
        for a in artists
    }


@pytest.mark.parametrize("kept", [None, ["#112233", "gold", "#445566", "#77aa88"]])
def test_a_type_has_the_same_colour_in_every_picture(
    model: Model, cells: Cells, small: anndata.AnnData, kept: list[str] | None
) -> None:
    """On any day, whatever other types are there; and that of scanpy, where the data have one."""
    if kept is not None:
        small.uns["cell_type_colors"] = np.array(kept)
    types = small.obs["cell_type"]
    colours = find_palette(small, "cell_type")
    assert list(colours) == list(types.cat.categories)
    if kept is not None:
        assert list(colours.values()) == [mpl.colors.to_hex(c) for c in kept]
    assert len(set(colours.values())) == 4

    moved = model.simulate("day2")
    frame = composition(model, moved, types)
    found = predict_fates(model, "day4", types)
    genes = trends(model, moved, [cells.genes[0]], groups(model, moved, types, by="start"))
    bands = plots.flow(flow(model, found, types), ("a", "b"), colours=colours)
    bars = [b for b in bands.patches if b.get_x() < 0]
    named = [t.get_text().rsplit(" ", 1)[0] for t in bands.texts[: len(bars)]]
    drawn = [
        hexes(plots.velocity(model, small).get_legend().legend_handles),
        hexes(plots.composition(frame, colours=colours).containers),
        hexes(plots.fates(model, [found], small).get_legend().legend_handles),
        dict(zip(named, (mpl.colors.to_hex(b.get_facecolor()) for b in bars), strict=True)),
        {
            line.get_label().split(" (")[0]: mpl.colors.to_hex(line.get_color())
            for line in plots.trends(genes, colours=colours)[0].lines
        },
    ]
    for picture in drawn:
        assert len(picture) > 1
        assert picture == {name: colours[name] for name in picture}
    assert set(drawn[0]) == set(colours)


def test_an_ensemble_keeps_the_legend_of_types(unsure_model: Model, small: anndata.AnnData) -> None:
    ax = plots.velocity(unsure_model, small)
    listed = [t.get_text() for t in ax.get_legend().get_texts()]
    assert listed == [*small.obs["cell_type"].cat.categories, "direction uncertain"]
    by_time = plots.velocity(unsure_model, small, color="time")
    assert [t.get_text() for t in by_time.get_legend().get_texts()] == ["direction uncertain"]


def test_numbered_clusters_are_names_where_they_are_the_cell_types(
    model: Model, small: anndata.AnnData
) -> None:
    del small.obs["cell_type"]
    small.obs["leiden"] = np.arange(small.n_obs) % 11
    legend = plots.velocity(model, small).get_legend()
    assert [t.get_text() for t in legend.get_texts()] == [str(k) for k in range(11)]


# ------------------------------------------------------------------------------------- maps


def test_a_stream_is_the_mean_velocity_and_only_where_cells_are() -> None:
    rng = np.random.default_rng(0)
    xy = rng.standard_normal((2_000, 2))
    xy[1_000:, 0] += 10  # two islands
    v = np.where(xy[:, :1] < 5, [[1.0, 0.0]], [[0.0, -2.0]])
    x, _, u, w = on_grid(xy, v)
    assert u.mask.any()
    middle = (x > 4.5) & (x < 5.5)
    assert u.mask[:, middle].all()
    left, right = x < 3, x > 7
    np.testing.assert_allclose(u[:, left].compressed(), 1, atol=1e-6)
    np.testing.assert_allclose(w[:, left].compressed(), 0, atol=1e-6)
    np.testing.assert_allclose(w[:, right].compressed(), -2, atol=1e-6)


def test_a_stream_is_drawn_the_way_that_cells_move(model: Model, small: anndata.AnnData) -> None:
    """On the true coordinates of the demo all cells move right."""
    ax = plots.velocity(model, small, basis="latent")
    arrows = [p for p in ax.patches if hasattr(p, "get_path")]
    assert len(arrows) >= 3
    lines = next(c for c in ax.collections if isinstance(c, LineCollection))
    steps = np.array([s[-1] - s[0] for s in lines.get_segments()])
    assert steps[:, 0].sum() > 0.8 * np.abs(steps[:, 0]).sum()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("latent 1", "latent 2")


def test_cells_are_named_in_the_map_and_in_the_legend(model: Model, small: anndata.AnnData) -> None:
    ax = plots.velocity(model, small)
    types = list(small.obs["cell_type"].cat.categories)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == types
    assert {t.get_text() for t in ax.texts} == set(types)
    dots = [c for c in ax.collections if isinstance(c, PathCollection)]
    assert sum(len(c.get_offsets()) for c in dots) == model.snapshots.n_cells


def test_cells_can_be_coloured_by_a_gene(model: Model, small: anndata.AnnData) -> None:
    gene = small.var_names[3]
    small.X = np.zeros(small.shape, dtype=np.float32)
    small.X[np.arange(0, small.n_obs, 2), 3] = 2.0
    ax = plots.velocity(model, small, color=gene)
    drawn = next(c for c in ax.collections if len(c.get_offsets()) == small.n_obs)
    rows = model.snapshots.data_rows
    # Cells may be drawn in any order, each in its place.
    order = np.lexsort(np.asarray(drawn.get_offsets()).T)
    places = model.space.to_coordinates(np.concatenate(model.snapshots.points))[:, :2]
    expected = small.X[rows, 3][np.lexsort(places.T)]
    np.testing.assert_array_equal(np.asarray(drawn.get_array())[order], expected)


@pytest.mark.parametrize("color", ["time", "growth", "speed", "day", "cell_type"])
def test_cells_can_be_coloured_by(model: Model, small: anndata.AnnData, color: str) -> None:
    ax = plots.velocity(model, small, color=color)
    dots = [c for c in ax.collections if isinstance(c, PathCollection)]
    if color == "time":
        assert sorted(set(dots[0].get_array().tolist())) == [0, 2, 4, 7]
    assert ax.has_data()


def test_an_unknown_colour_lists_those_there_are(model: Model, small: anndata.AnnData) -> None:
    with pytest.raises(ConfigError, match="no colour 'leiden'") as error:
        plots.velocity(model, small, color="leiden")
    assert "day, cell_type, time, growth, speed, or a gene" in error.value.hint


def test_without_data_the_own_coordinates_are_drawn_by_time(model: Model) -> None:
    ax = plots.velocity(model)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("PC1", "PC2")
    assert ax.figure.axes[1].get_ylabel() == "time (days)"


def test_odd_names_are_drawn_as_they_are(model: Model, small: anndata.AnnData) -> None:
    names = {"progenitor": "_hidden", "myeloid": "Cd4$hi$", "erythroid": "<b>a & b</b>"}
    odd = small.obs["cell_type"].astype(str).replace(names)
    odd[odd == "intermediate"] = None
    small.obs["odd"] = odd
    ax = plots.velocity(model, small, color="odd")
    ax.figure.canvas.draw()
    listed = {t.get_text() for t in ax.get_legend().get_texts()}
    assert listed == {"unannotated", "_hidden", "Cd4$hi$", "<b>a & b</b>"}


@pytest.mark.parametrize("n", [20, 28, 102, 130])
def test_many_names_differ_by_colour_and_beyond_102_by_shape(
    model: Model, small: anndata.AnnData, n: int
) -> None:
    small.obs["many"] = [f"type {k % n:03d}" for k in range(small.n_obs)]
    ax = plots.velocity(model, small, color="many")
    marks = {
        (mpl.colors.to_hex(h.get_color()), h.get_marker()) for h in ax.get_legend().legend_handles
    }
    assert len(marks) == n
    assert len({colour for colour, _ in marks}) == min(n, 102)


def test_growth_is_that_of_the_model_and_its_colours_meet_at_zero(model: Model) -> None:
    ax = plots.growth(model)
    dots = [c for c in ax.collections if isinstance(c, PathCollection)]
    drawn = np.sort(np.concatenate([c.get_array() for c in dots]))
    days = model.snapshots
    truth = [model.growth(t, x) for t, x in zip(days.times, days.points, strict=True)]
    np.testing.assert_allclose(drawn, np.sort(np.concatenate(truth)))
    for c in dots:
        assert c.norm(0.0) == 0.5
        signs = set((c.get_array() >= 0).tolist())
        assert len(signs) <= 1  # a triangle for each sign


def test_growth_whose_range_holds_zero_is_pale(model: Model) -> None:
    none, some = (
        GrowthRange(np.stack([rate, rate * least]), np.zeros(len(rate), dtype=np.int64), rate)
        for rate in [growth_rates(model)]
        for least in (0.0, 0.5)
    )
    for found, alpha in ((none, 0.4), (some, None)):
        ax = plots.growth(model, found=found)
        drawn = [c for c in ax.collections if isinstance(c, PathCollection) and len(c.get_array())]
        assert {c.get_alpha() for c in drawn} == {alpha}
        legend = ax.get_legend()
        assert (legend is not None) == (alpha is not None)
        if legend is not None:
            assert legend.get_texts()[0].get_text() == "all are pale: each may as well be 0"


def test_ranges_are_drawn_from_their_low_to_their_high_end() -> None:
    rows = [
        {"type": name, "mean": k, "low": k - 1.0, "high": k + 2.0} for k, name in enumerate("abc")
    ]
    ax = plots.ranges(rows, "per day")
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2][1:]
    assert [tuple(ends) for ends in bars] == [(k - 1.0, k + 2.0) for k in range(3)]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "c"]
    many = plots.ranges([{**rows[0], "type": f"t{k}"} for k in range(30)], "per day")
    assert len(many.get_yticklabels()) == 20
    assert "10 types between them not drawn" in many.get_xlabel()
    with pytest.raises(DataError, match="no growth rates"):
        plots.ranges([], "per day")


def test_trajectories_are_those_of_the_simulation(model: Model, simulation: Simulation) -> None:
    ax = plots.trajectories(model, simulation)
    lines = next(c for c in ax.collections if isinstance(c, LineCollection))
    segments = np.array(lines.get_segments())
    T, N, _ = simulation.points.shape
    assert segments.shape == ((T - 1) * N, 2, 2)
    np.testing.assert_allclose(segments[:N, 0], simulation.points[0, :, :2], atol=1e-5)
    np.testing.assert_allclose(segments[-N:, 1], simulation.points[-1, :, :2], atol=1e-5)
    # A heavier cell has a wider line.
    weights = np.exp(simulation.log_weights)
    mean = 0.5 * (weights[:-1] + weights[1:]).ravel()
    widths = np.asarray(lines.get_linewidth())
    assert (np.diff(widths[np.argsort(mean)]) >= -1e-9).all()
    assert widths.max() > widths.min()


@pytest.mark.parametrize("stops", [(), (2.0,)])
def test_a_trajectory_is_dotted_where_the_cell_goes_on_as_an_observed_one(
    model: Model, simulation: Simulation, stops: tuple[float, ...]
) -> None:
    ax = plots.trajectories(model, replace(simulation, stops=stops))
    lines = next(c for c in ax.collections if isinstance(c, LineCollection))
    N = simulation.points.shape[1]
    dotted = [dashes is not None for _, dashes in lines.get_linestyle()]
    begins = np.repeat(simulation.times[:-1], N)
    assert dotted == list(np.isin(begins, stops))
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert ("replaced by an observed cell" in legend) is bool(stops)


def test_a_held_out_day_is_drawn_as_measured_and_as_predicted(
    cells: Cells, model: Model, small: anndata.AnnData, tmp_path: Path
) -> None:
    without = cellam.fit(cells, model.options, exclude=("day4",))
    day = cellam.predict_day(without, "4", metric="W1")
    axes = plots.heldout(without, day, small, save=tmp_path / "x.png")
    assert (tmp_path / "x.png").exists()
    titles = [ax.get_title() for ax in axes]
    assert titles[0] == "day4, observed"
    assert titles[1].startswith("predicted by cellam\n(W1 ")
    truth = axes[0].collections[-1].get_offsets()
    expected = without.space.to_coordinates(without.snapshots.points[2])[:, :2]
    np.testing.assert_allclose(truth, expected, atol=1e-5)
    for ax in axes[1:]:
        behind, drawn = ax.collections
        assert len(drawn.get_offsets()) == len(behind.get_offsets()) == len(truth)
    # The prediction lies nearer to the truth than the days beside it.
    centre = np.mean(axes[1].collections[-1].get_offsets(), axis=0)
    assert np.linalg.norm(centre - truth.mean(0)) < np.linalg.norm(np.ptp(truth, axis=0)) / 4


def test_a_day_that_was_fitted_on_is_not_held_out(model: Model) -> None:
    with pytest.raises(ConfigError, match="day4 is a training day"):
        cellam.predict_day(model, "day4")


# ----------------------------------------------------------------------------- populations


def test_bars_of_a_composition_sum_to_one_and_are_its_shares(frame: pd.DataFrame) -> None:
    ax = plots.composition(frame)
    bars = {c.get_label(): [b.get_height() for b in c] for c in ax.containers}
    total = np.sum(list(bars.values()), axis=0)
    np.testing.assert_allclose(total, 1)
    for name, heights in bars.items():
        for k, (_, row) in enumerate(frame.iterrows()):
            assert heights[2 * k] == pytest.approx(row["observed"].get(name, 0.0))
            assert heights[2 * k + 1] == pytest.approx(row["simulated"].get(name, 0.0))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["obs.", "sim."] * len(frame)
    assert len({c.patches[0].get_facecolor() for c in ax.containers}) == len(ax.containers)


def test_larger_shares_of_a_composition_have_their_intervals(frame: pd.DataFrame) -> None:
    ax = plots.composition(frame)
    drawn = {
        tuple(np.round(path.vertices[:, 1], 6)) for c in ax.collections for path in c.get_paths()
    }
    bars = {c.get_label(): c for c in ax.containers}
    expected = set()
    for k, (_, row) in enumerate(frame.iterrows()):
        for side, of in enumerate(("observed", "simulated")):
            for name, (low, high) in row[f"{of}_interval"].items():
                bar = bars[name][2 * k + side]
                if bar.get_height() >= 0.08:
                    ends = np.array([bar.get_y() + low, bar.get_y() + high])
                    if ends[1] > 1:  # no share is above 100 %
                        ends = bar.get_y() + bar.get_height() - np.array([high, low])
                    expected.add(tuple(np.round(np.maximum(ends, 0), 6)))
    assert drawn == expected and len(drawn) > 8
    assert ax.get_ylim() == (0, 1) and max(high for _, high in drawn) <= 1
    assert "95 % interval" in ax.get_xlabel()
    bare = frame.drop(columns=["observed_interval", "simulated_interval"])
    ax = plots.composition(bare)
    assert not ax.collections and "interval" not in ax.get_xlabel()


def test_simulated_shares_outside_the_observed_interval_have_the_star_of_the_table() -> None:
    row = {
        "label": "d",
        "observed": {"a": 0.7, "b": 0.29, "c": 0.01},
        "simulated": {"a": 0.6, "b": 0.39, "c": 0.01},
        "observed_interval": {"a": (0.65, 0.75), "b": (0.2, 0.4), "c": (0.02, 0.03)},
        "simulated_interval": {},
    }
    ax = plots.composition(pd.DataFrame([row]))
    stars = [t for t in ax.texts if t.get_text() == "*"]
    (bar,) = (c[1] for c in ax.containers if c.get_label() == "a")
    (star,) = stars  # b is inside, and c too thin
    assert star.get_position()[1] == pytest.approx(bar.get_y() + bar.get_height() / 2)
    assert share_text(row, "a").endswith("*") and not share_text(row, "b").endswith("*")
    assert "outside the interval of the observed share" in ax.get_xlabel()
    near = {**row, "simulated": row["observed"]}
    assert "outside" not in plots.composition(pd.DataFrame([near])).get_xlabel()


def test_many_types_share_a_bar() -> None:
    shares = {f"t{k}": 0.04 for k in range(25)}
    frame = pd.DataFrame([{"label": "d", "observed": shares, "simulated": shares}])
    ax = plots.composition(frame)
    assert len(ax.containers) == 20
    assert ax.containers[-1].get_label() == "6 others"
    assert sum(c.patches[0].get_height() for c in ax.containers) == pytest.approx(1)


def test_what_a_day_is_to_the_fit_stands_below_it(
    cells: Cells, model: Model, frame: pd.DataFrame
) -> None:
    assert roles(model, frame) == ["start", "training", "training", "training"]
    ax = plots.composition(frame.assign(said=roles(model, frame)))
    assert [t.get_text() for t in ax.texts].count("training") == 3
    without = cellam.fit(cells, model.options, exclude=("day2", "day7"))
    days = pd.DataFrame({"label": model.snapshots.labels, "time": model.snapshots.times})
    assert roles(without, days) == ["start", "held out", "training", "extrapolated"]


def test_a_composition_needs_types(model: Model, simulation: Simulation) -> None:
    with pytest.raises(DataError, match="no cell types"):
        plots.composition(composition(model, simulation))


def test_mass_is_that_of_the_simulation(model: Model, simulation: Simulation) -> None:
    line, given = plots.mass(model, simulation).lines[:2]
    np.testing.assert_allclose(line.get_xdata(), simulation.times)
    np.testing.assert_allclose(line.get_ydata(), np.exp(simulation.log_weights).mean(1))
    np.testing.assert_allclose(given.get_ydata(), model.snapshots.masses)


def test_mass_starts_at_that_of_its_day(cells: Cells) -> None:
    sizes = {"day0": 1.0, "day2": 2.0, "day4": 3.0, "day7": 5.0}
    model = cellam.fit(cells, n_features=64, tau=1.0, n_pcs=5, population=sizes)
    line, given = plots.mass(model, model.simulate("day2")).lines[:2]
    assert line.get_ydata()[0] == pytest.approx(2)
    np.testing.assert_allclose(given.get_ydata(), [1, 2, 3, 5])


# ----------------------------------------------------------------------------------- scores


def test_bars_are_the_scores_and_the_line_is_the_floor(scores: Evaluation) -> None:
    ax = plots.evaluation(scores.table, metric="w1")
    values = scores.table.query("metric == 'W1'").set_index("method")["value"]
    bars = {c.get_label(): c for c in ax.containers if hasattr(c, "patches") and c.patches}
    assert next(iter(bars)) == "cellam"
    assert set(bars) == set(values.index) - {"floor"}
    for name, container in bars.items():
        assert container.patches[0].get_height() == pytest.approx(values[name])
    floor = next(line for line in ax.lines if str(line.get_label()).startswith("floor"))
    np.testing.assert_allclose(floor.get_ydata(), values["floor"])


def test_intervals_are_drawn_where_there_are_some(scores: Evaluation) -> None:
    table = scores.table.assign(low=scores.table["value"] - 0.3, high=scores.table["value"] + 0.1)
    ax = plots.evaluation(table, metric="W1")
    assert "95 % intervals" in ax.get_xlabel()
    bars = next(c for c in ax.containers if c.get_label() == "cellam" and hasattr(c, "patches"))
    (low, high) = bars.errorbar.lines[2][0].get_segments()[0][:, 1]
    height = bars.patches[0].get_height()
    assert (height - low, high - height) == (pytest.approx(0.3), pytest.approx(0.1))


def test_a_metric_that_was_not_scored_lists_those_that_were(scores: Evaluation) -> None:
    with pytest.raises(ConfigError, match="'W2'") as error:
        plots.evaluation(scores.table, metric="W2")
    assert error.value.hint == "Available: W1, energy."


def test_history_is_that_of_the_fit(model: Model) -> None:
    ax = plots.history(model)
    line, star = ax.lines
    losses = list(model.fit.record.losses.values())
    np.testing.assert_allclose(line.get_ydata(), losses)
    assert star.get_ydata()[0] == min(losses)
    assert str(star.get_label()) == f"used: ridge {model.fit.record.ridge:g}"


def test_history_of_a_network_is_over_its_steps(cells: Cells) -> None:
    model = cellam.fit(cells, action="mlp", steps=101, n_pcs=3, tau=1.0)
    ax = plots.history(model)
    assert ax.get_xlabel() == "training step"
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [100, 101])


# ------------------------------------------------------------------------------------ lineages


def test_fates_mix_the_colours_of_the_states(model: Model, fates: Fates) -> None:
    even = np.full_like(fates.probability, 1 / len(fates.states))
    ax = plots.fates(model, [replace(fates, probability=even)])
    drawn = [c for c in ax.collections if isinstance(c, PathCollection)][1:]
    each = palette(pd.Series(fates.states))
    colours = np.array([mpl.colors.to_rgb(each[state]) for state in fates.states])
    found = np.concatenate([c.get_facecolors() for c in drawn if len(c.get_offsets())])
    np.testing.assert_allclose(found[:, :3], np.tile(colours.mean(0), (len(even), 1)), atol=1e-6)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(fates.states)
    assert ax.get_legend().get_title().get_text() == "become (day7)"


def test_the_title_of_fates_is_not_cut(model: Model, fates: Fates) -> None:
    for many in ([fates], [fates] * 9):
        ax = plots.fates(model, many)
        figure = ax.get_figure()
        FigureCanvasAgg(figure).draw()
        box = next(
            child.get_window_extent()
            for child in ax.get_children()
            if isinstance(child, Text) and "decided" in child.get_text()
        )
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_a_state_is_drawn_by_its_probability(model: Model, fates: Fates) -> None:
    state = fates.states[0]
    ax = plots.fates(model, [fates], color=state)
    drawn = ax.collections[1]
    np.testing.assert_allclose(np.sort(drawn.get_array()), np.sort(fates.probability[:, 0]))
    assert drawn.get_clim() == (0, 1)
    # Each value stands at its cell.
    xy = model.space.to_coordinates(model.snapshots.points[1])[:, :2]
    at = [np.linalg.norm(xy - place, axis=1).argmin() for place in drawn.get_offsets()]
    np.testing.assert_allclose(drawn.get_array(), fates.probability[at, 0])
    with pytest.raises(ConfigError, match="no state 'HSC' on day7") as caught:
        plots.fates(model, [fates], color="HSC")
    assert state in caught.value.hint


def test_rare_states_share_a_colour(model: Model, fates: Fates) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(24), len(fates.rows))
    many = replace(fates, states=tuple("abcdefghijklmnopqrstuvwx"), probability=p)
    listed = [t.get_text() for t in plots.fates(model, [many]).get_legend().get_texts()]
    assert len(listed) == 20
    assert listed[-1] == "5 others"


def test_a_flow_is_as_wide_as_its_mass() -> None:
    frame = pd.DataFrame(
        [("a", "a", 0.3, 0.6), ("a", "b", 0.1, 0.1), ("b", "b", 0.6, 0.2)],
        columns=["source", "target", "before", "after"],
    )
    frame = pd.concat([frame, pd.DataFrame([("b", "a", 0.0, 0.0)], columns=frame.columns)])
    ax = plots.flow(frame, ("day2", "day7"))
    bars = sorted((round(b.get_x(), 2), round(b.get_height(), 9)) for b in ax.patches)
    assert bars == [(-0.04, 0.4), (-0.04, 0.6), (1.0, 0.3), (1.0, 0.6)]
    widths = set()
    for band in ax.collections:
        places = band.get_paths()[0].vertices
        ends = [np.ptp(places[np.isclose(places[:, 0], x), 1]) for x in (0, 1)]
        widths.add(tuple(np.round(ends, 9)))
    assert widths == {(0.3, 0.6), (0.1, 0.1), (0.6, 0.2), (0.0, 0.0)}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["day2\nmass 1.00", "day7\nmass 0.90"]
    names = {t.get_text() for t in ax.texts}
    assert names == {"a 0.40", "b 0.60", "a 0.60", "b 0.30"}


def test_a_flow_of_few_cells_is_pale_and_has_a_star() -> None:
    frame = pd.DataFrame(
        [("a", "a", 0.9, 0.9), ("b", "a", 0.1, 0.1)],
        columns=["source", "target", "before", "after"],
    )
    ax = plots.flow(frame, ("day2", "day7"), cells={"a": 40, "b": 9})
    assert {"a 0.90", "b * 0.10"} < {t.get_text() for t in ax.texts}
    assert sorted(c.get_alpha() for c in ax.collections) == [0.2, 0.55]
    assert "fewer than 10 cells" in ax.get_xlabel()
    assert plots.flow(frame, ("day2", "day7"), cells={"a": 40, "b": 10}).get_xlabel() == ""


def test_a_flow_of_many_types_keeps_its_mass() -> None:
    rng = np.random.default_rng(0)
    names = [f"type{k}" for k in range(23)]
    frame = pd.DataFrame(
        [(s, t, rng.random(), rng.random()) for s in names for t in names],
        columns=["source", "target", "before", "after"],
    )
    ax = plots.flow(frame, ("day2", "day7"))
    left = [b.get_height() for b in ax.patches if b.get_x() < 0]
    right = [b.get_height() for b in ax.patches if b.get_x() > 0]
    assert len(left) == len(right) == 20
    assert sum(left) == pytest.approx(frame["before"].sum())
    assert sum(right) == pytest.approx(frame["after"].sum())


@pytest.mark.parametrize("n", [3, 9, 14])
def test_names_beside_thin_bars_of_a_flow_do_not_overlap(n: int) -> None:
    names = [f"type{k}" for k in range(n)]
    mass = [0.9, *[0.1 / (n - 1)] * (n - 1)]
    frame = pd.DataFrame(
        [(s, s, m, m) for s, m in zip(names, mass, strict=True)],
        columns=["source", "target", "before", "after"],
    )
    ax = plots.flow(frame, ("day2", "day7"))
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:k])


# --------------------------------------------------------------------------------------- tables


def test_fields_are_the_fates_and_their_ranges(fates: Fates, small: anndata.AnnData) -> None:
    rows = rows_of(fates, small.obs["cell_type"])
    ax = plots.heatmap(rows, ("day2", "day7"))
    states = [t.get_text() for t in ax.get_xticklabels()]
    whole = rows[-1]["fate"]
    assert states == sorted(whole, key=lambda name: -whole[name])
    values = ax.images[0].get_array()
    texts = {tuple(np.round(t.get_position(), 2)): t.get_text() for t in ax.texts}
    for i, row in enumerate(rows):
        star = " *" * row["few"]
        assert ax.get_yticklabels()[i].get_text() == f"{row['type']} ({row['cells']}){star}"
        for j, name in enumerate(states):
            assert values[i, j] == pytest.approx(row["fate"][name])
            assert texts[j, round(i - 0.18, 2)] == f"{100 * row['fate'][name]:.0f}"
            low, high = 100 * row["least"][name], 100 * row["most"][name]
            assert texts[j, round(i + 0.22, 2)] == f"{low:.0f}–{high:.0f}"


def test_what_a_heat_map_leaves_out_is_said() -> None:
    names = [f"s{k:02d}" for k in range(14)]
    shares = dict.fromkeys(names, 1 / 14)
    row = {"cells": 30, "few": False, "fate": shares, "least": shares, "most": shares}
    ax = plots.heatmap([{"type": f"t{k}", **row} for k in range(23)], ("a", "b"))
    assert "4 rarer types (29 %) not drawn" in ax.get_xlabel()
    assert "2 types with fewer cells not drawn" in ax.get_xlabel()
    assert ax.images[0].get_array().shape == (21, 10)


def test_a_design_has_the_cells_of_each_group_and_day(small: anndata.AnnData) -> None:
    mice = [f"m{k % 2 + 1}" for k in range(small.n_obs)]
    small.obs["mouse"] = mice
    counts = counts_of(cellam.read(small))
    assert counts.index.name == "mouse"
    assert counts.to_numpy().sum() == small.n_obs
    ax = plots.design(counts, held_out=["day4"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["m1", "m2"]
    assert [t.get_text() for t in ax.get_xticklabels()][2] == "day4\nheld out"
    assert [t.get_text() for t in ax.texts] == [str(n) for n in counts.to_numpy().ravel()]
    assert list(counts.columns) == ["day0", "day2", "day4", "day7"]


# ---------------------------------------------------------------------------------------- genes


def test_a_mean_over_few_cells_is_open_and_has_no_interval() -> None:
    rows = [("A", "x", 0, 19.0), ("A", "x", 2, 9.0), ("A", "y", 0, 19.0), ("A", "y", 2, 10.0)]
    frame = pd.DataFrame(rows, columns=["gene", "group", "time", "cells"])
    frame = frame.assign(mean=frame["time"] * 1.0, low=-1.0, high=3.0)
    (panel,) = plots.pseudobulk(frame, time="time (days)")
    bars = [s for c in panel.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    assert len(bars) == 3
    marks = [line for line in panel.lines if line.get_marker() == "o" and len(line.get_xdata())]
    white = [len(m.get_xdata()) for m in marks if m.get_markerfacecolor() == "#ffffff"]
    assert white == [1]
    assert panel.get_xlabel() == "time (days)"
    assert "fewer than 10 cells" in panel.figure.legends[0].get_title().get_text()


def test_a_group_of_few_cells_is_dashed_and_has_no_band() -> None:
    rows = [("A", group, t, n) for group, n in (("x", 10), ("y", 9)) for t in (0, 1)]
    frame = pd.DataFrame(rows, columns=["gene", "group", "time", "cells"])
    (panel,) = plots.trends(frame.assign(mean=1.0, low=0.0, high=2.0))
    assert [line.get_linestyle() for line in panel.lines] == ["-", "--"]
    assert len(panel.collections) == 1
    listed = [t.get_text() for t in panel.figure.legends[0].get_texts()]
    assert listed == ["x (10)", "y (9) *"]


# ------------------------------------------------------------------------------------ landscape


def test_a_landscape_has_a_panel_for_each_day_with_its_cells(
    model: Model, small: anndata.AnnData
) -> None:
    without = replace(model, options=model.options.model_copy(update={"exclude": ("day4",)}))
    axes = plots.landscape(without, small, basis="latent")
    assert [ax.get_title() for ax in axes] == ["day0", "day2", "day4 (held out)", "day7"]
    for ax, x in zip(axes, model.snapshots.points, strict=True):
        dots = next(c for c in ax.collections if isinstance(c, PathCollection))
        assert len(dots.get_offsets()) == len(x)
        pale, solid = (c for c in ax.collections if c is not dots)
        assert (pale.get_alpha(), solid.get_alpha()) == (0.3, None)
        assert pale.get_array().min() < 0 < pale.get_array().max()  # less the mean
    assert "cells move to higher values" in axes[0].figure.axes[-1].get_ylabel()


def test_the_gradient_of_the_action_is_the_velocity(model: Model) -> None:
    x, t, h = model.snapshots.points[1], 2.0, 1e-2
    slope = [(model.action(t, x + h * e) - model.action(t, x - h * e)) / (2 * h)
             for e in np.eye(x.shape[1])]  # fmt: skip
    np.testing.assert_allclose(np.transpose(slope), model.velocity(t, x), rtol=0.02, atol=2e-3)


# --------------------------------------------------------------------------------------- labels


def test_names_on_a_map_do_not_cover_one_another() -> None:
    rng = np.random.default_rng(0)
    places, boxes = rng.uniform(0, 60, (9, 2)), np.tile([40.0, 9.0], (9, 1))
    moved = spread(places, boxes)
    gap = np.abs(moved[:, None] - moved) - boxes[0]
    over = (gap < -1e-6).all(-1) & ~np.eye(9, dtype=bool)
    assert (np.abs(places[:, None] - places) < boxes[0]).all(-1).sum() > 9  # some did
    assert not (over & (gap[..., 1] < -1.0)).any()
    np.testing.assert_array_equal(spread(places * 100, boxes), places * 100)  # far apart: as given
