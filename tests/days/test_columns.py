"""`cellam.days.columns`: the column of times is found, or the choice is given back."""

import numpy as np
import pandas as pd
import pytest

from cellam.days.columns import read_times, time_columns
from cellam.days.time_key import find_time_key
from cellam.errors import DataError


@pytest.mark.parametrize(
    "name", ["day", "Day", "Time_Point", "developmental stage", "day.of-collection"]
)
def test_a_column_with_a_telling_name_is_found(name):
    obs = pd.DataFrame({"leiden": ["0", "1"], "n_counts": [1.0, 2.0], name: ["E8", "E9"]})
    assert find_time_key(obs, None) == name


def test_the_requested_column_is_taken_even_if_it_needs_a_map():
    assert find_time_key(pd.DataFrame({"day": [0, 1], "phase": ["x", "y"]}), "phase") == "phase"


def test_a_requested_column_that_is_not_there_is_refused_with_the_closest():
    with pytest.raises(DataError) as caught:
        find_time_key(pd.DataFrame({"sample_day": [0], "batch": [1]}), "sampel_day")
    assert "'sampel_day'" in caught.value.message
    assert "Did you mean 'sample_day'?" in caught.value.hint
    assert "sample_day, batch" in caught.value.hint


@pytest.mark.parametrize("other", [["adult", "fetal"], ["1", "1"], [True, False]])
def test_candidates_that_hold_no_times_are_passed_over(other):
    assert find_time_key(pd.DataFrame({"time": ["d0", "d2"], "day": other}), None) == "time"


def test_candidates_that_differ_by_their_unit_alone_are_one():
    obs = pd.DataFrame({"hours": [0, 24, 72], "day": [0.0, 1.0, 3.0]})
    assert find_time_key(obs, None) == "day"
    with pytest.raises(DataError, match="differ"):
        find_time_key(obs.assign(hours=[0, 24, 48]), None)


def test_candidates_that_agree_cell_by_cell_are_one():
    obs = pd.DataFrame({"timepoint": ["d0", "d2", None], "day": [0.0, 2.0, np.nan]})
    assert find_time_key(obs, None) == "day"


def test_candidates_that_differ_are_listed():
    with pytest.raises(DataError) as caught:
        find_time_key(pd.DataFrame({"age": [30, 40], "day": ["d0", "d2"]}), None)
    assert "'day' with 'd0' (1 cell), 'd2' (1 cell); 'age' with '30'" in caught.value.message
    assert "`time_key=NAME`" in caught.value.hint


def test_a_day_with_missing_cells_does_not_yield_to_another_column():
    with pytest.raises(DataError, match="differ"):
        find_time_key(pd.DataFrame({"day": [0, 2, None], "age": [30, 40, 40]}), None)


def test_a_lone_candidate_is_taken_though_it_needs_a_map():
    assert find_time_key(pd.DataFrame({"stage": ["early", "late"]}), None) == "stage"


def test_several_candidates_of_which_none_reads_are_listed():
    with pytest.raises(DataError, match="cannot be read"):
        find_time_key(pd.DataFrame({"stage": ["a", "b"], "day": ["x", "y"]}), None)


def test_without_a_telling_name_the_columns_that_would_read_are_listed():
    obs = pd.DataFrame(
        {"sample": ["d0", "d2"] * 150, "batch": ["x", "y"] * 150, "n_counts": np.arange(300) / 7}
    )
    with pytest.raises(DataError) as caught:
        find_time_key(obs, None)
    assert "'sample' with 'd0' (150 cells), 'd2' (150 cells)" in caught.value.message
    assert "n_counts" not in caught.value.message
    assert "`time_key='sample'`." in caught.value.hint


def test_a_telling_name_of_one_value_is_no_time_where_another_column_may_be():
    obs = pd.DataFrame({"age": ["P56"] * 4, "days_post_injury": [0, 1, 3, 3]})
    with pytest.raises(DataError) as caught:
        find_time_key(obs, None)
    assert "`time_key='days_post_injury'`." in caught.value.hint
    assert find_time_key(obs[["age"]], None) == "age"


@pytest.mark.parametrize("obs", [pd.DataFrame(), pd.DataFrame({"batch": ["x", "y"]})])
def test_without_any_such_column_that_is_said(obs):
    with pytest.raises(DataError, match="None reads as times"):
        find_time_key(obs, None)


# --- other columns that read as times

N = 120
STEP = np.repeat(np.arange(4), N // 4)
DAY = np.array([0, 2, 4, 7])[STEP]
TEXT = [f"day{day}" for day in DAY]
MIXED = np.random.default_rng(0).permutation(STEP)  # another order, cell by cell


def read_columns(key=None, **columns):
    return read_times(pd.DataFrame(columns), key, None)


def relations(found):
    return {other.name: other.relation for other in found[3]}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"day": STEP}, {"stage_chr": TEXT}),  # codes left by a converter
        ({"day": STEP.astype(str)}, {"group": [f"d{day}" for day in DAY]}),
        ({"time": STEP + 1.0}, {"orig.ident": [f"D{day}_rep2" for day in DAY]}),
        ({"stage": STEP}, {"text": [f"E{time}" for time in np.array([6.5, 7.0, 7.25, 8.5])[STEP]]}),
        ({"day": STEP}, {"label": [f"day{2 * k}" for k in STEP]}),  # even gaps
        ({"time": np.array([0, 2, 3, 1])[STEP]}, {"sampled": TEXT}),  # sorted as text
        ({"age": np.array([30, 45, 27, 60])[MIXED]}, {"differentiation_day": DAY}),
        ({"age": np.array([30, 30, 45, 45])[STEP]}, {"differentiation_day": DAY}),
        ({"age": np.array([30, 40, 55, 90])[STEP]}, {"differentiation_day": DAY}),
        ({"day": DAY}, {"culture_hours": 24 * DAY[::-1]}),
        ({"day": DAY}, {"condition": np.array(["day0", "day2", "day4", "day7"])[MIXED]}),
    ],
)  # fmt: skip
def test_two_columns_that_contradict_each_other_are_refused_unless_one_is_chosen(first, second):
    chosen, other = next(iter(first)), next(iter(second))
    with pytest.raises(DataError, match="contradict each other") as caught:
        read_columns(**first, **second)
    assert f"obs[{chosen!r}]" in caught.value.message
    assert f"obs[{other!r}]" in caught.value.message
    assert f"`time_key={other!r}` or `time_key={chosen!r}`" in caught.value.hint
    key, timeline, _, _ = read_columns(chosen, **first, **second)
    assert key == chosen
    assert f"`time_key={other!r}`" in timeline.notes[-1]
    assert read_columns(other, **first, **second)[0] == other


def test_a_time_map_settles_the_choice():
    obs = pd.DataFrame({"day": STEP, "stage_chr": TEXT})
    _, timeline, _, _ = read_times(obs, None, {"0": 0, "1": 2, "2": 4, "3": 7})
    assert timeline.times == (0.0, 2.0, 4.0, 7.0)
    assert timeline.notes == ("The times are from the time map.",)  # and they agree


def test_bare_numbers_with_other_gaps_are_mentioned_and_not_refused():
    key, timeline, _, _ = read_columns(day=STEP, day_real=DAY)
    assert key == "day"
    (note,) = timeline.notes
    assert "obs['day_real']: 0, 2, 4, 7; the same order, different gaps" in note


def test_codes_beside_the_times_are_listed_without_a_word():
    found = read_columns(day=DAY, day_code=STEP, culture_hours=24 * DAY, timepoint=TEXT)
    assert relations(found) == {"day_code": "order", "culture_hours": "scaled", "timepoint": "same"}
    assert not found[1].notes


def test_the_same_times_in_the_unit_of_the_name_do_not_contradict():
    found = read_columns(day=STEP, label=[f"{24 * k}h" for k in STEP])
    assert relations(found) == {"label": "scaled"}
    assert not found[1].notes


def test_cells_without_a_time_in_the_other_column_do_not_count():
    some = pd.Series(TEXT).where(np.arange(N) % 3 > 0)
    assert relations(read_columns(day=DAY, sampled=some)) == {"sampled": "same"}


def test_numbers_and_names_of_something_else_are_no_times():
    rng = np.random.default_rng(1)
    columns = {
        "leiden": MIXED.astype(str),
        "seurat_clusters": STEP.astype(str),
        "replicate": MIXED % 3 + 1,
        "plate": rng.integers(1, 5, N),
        "batch": STEP + 1,
        "passage": rng.integers(10, 14, N),
        "n_genes": rng.integers(500, 3000, N),
        "total_counts": rng.integers(0, 150, N),
        "percent_mito": rng.random(N),
        "G2M_score": rng.random(N).round(1),
        "dpt_pseudotime": rng.random(N).round(2),
        "latent_time": (STEP + rng.normal(0, 0.5, N)).round(1),
        "doublet_score": rng.random(N).round(2),
        "donor": np.array(["D1", "D2", "D3", "D4"])[MIXED],
        "donor_age": np.array([30, 45, 27, 60])[MIXED],
        "patient": np.array(["P1", "P2", "P1", "P3"])[MIXED],
        "cell_line": np.array(["H1", "H9", "H1", "H9"])[MIXED],
        "subset": np.array(["T4", "T8", "T4", "T8"])[MIXED],
        "which": np.array(["E1", "E2", "E3", "E4"])[MIXED],
        "sequencing_day": MIXED,
    }
    for day in (TEXT, STEP):
        found = read_columns(day=day, **columns)
        assert found[0] == "day"
        assert not found[1].notes
        assert not found[3]


def test_a_missing_choice_is_asked_for_among_the_plausible_columns():
    with pytest.raises(DataError, match="name such as 'day'") as caught:
        read_columns(differentiation_day=DAY, leiden=MIXED.astype(str))
    assert "differentiation_day" in caught.value.message
    assert "leiden" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("embryo_time", DAY * 60 + np.arange(N) % 30),
        ("embryo_time", DAY * 60 + np.arange(N) / N),  # too many for a time on its own
        ("embryo_time_bin", np.array(["<100", "100-200", "200-300", ">300"])[STEP]),
        ("mouse_stage", np.array(["first", "early", "middle", "late"])[STEP]),
        ("sample", TEXT),
        ("embryo_time", pd.array([None, *DAY[1:].tolist()], dtype="Int64")),
        ("embryo_time", np.where(np.arange(N) % 9, DAY / 2, np.nan)),
    ],
)
def test_what_is_the_time_itself_or_its_bins_is_no_batch(name, values):
    assert time_columns(pd.DataFrame({name: values}), STEP) == (name,)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("batch", STEP),
        ("embryo", np.array(["a", "b", "c", "d"])[STEP]),
        ("sample", [f"{text}_rep{k % 2 + 1}" for k, text in enumerate(TEXT)]),
        ("embryo_time", MIXED),
        ("sequencing_day", STEP),
    ],
)
def test_what_is_processed_together_is_not_the_time(name, values):
    assert time_columns(pd.DataFrame({name: values}), STEP) == ()


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("klein_mesc_counts", {"timepoint": "same"}),
        ("larry_clones_781", {"time_info": "same"}),
        ("emt_10d", {"timepoint": "same", "day_real": "order"}),
        ("worm_embryo_counts", {"embryo_time": "nested"}),
    ],
)
def test_the_columns_of_real_data_are_told_apart(shared_data, name, others):
    import anndata

    obs = anndata.read_h5ad(shared_data / f"{name}.h5ad", backed="r").obs
    found = read_times(obs, None, None)
    assert found[0] == "day"
    assert relations(found) == others
