from __future__ import annotations

import errno
import itertools
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from equal import assert_equal

import cellam
from cellam import storage
from cellam.dynamics.couplings import Unbalanced
from cellam.errors import CellamError, DataError, OutputError, RunError
from cellam.evaluation.controls import Controlled
from cellam.evaluation.evaluate import Evaluation, evaluate
from cellam.evaluation.scores import Scores
from cellam.evaluation.skill import Skill, skills
from cellam.modelling.model import Model
from cellam.modelling.recipe import Recipe
from cellam.options import Options
from cellam.reading.cells import Cells
from cellam.runs.claims import is_run
from cellam.runs.places import RUNS
from cellam.storage import sha256, to_json
from cellam.workflows.run import Run

FILES = (
    "action.safetensors",
    "fit.json",
    "options.json",
    "provenance.json",
    "snapshots.json",
    "snapshots.safetensors",
    "space.json",
    "space.safetensors",
    "timeline.json",
)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def rewrite_manifest(run: Run, **changes: object) -> None:
    path = run.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refusal(path: Path) -> RunError:
    with pytest.raises(RunError) as caught:
        cellam.open_run(path)
    return caught.value


# There and back ---------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["model", "noisy_model", "rep_model"])
def test_an_opened_run_simulates_what_was_saved(
    which: str, cells: Cells, rep_cells: Cells, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(which)
    data = rep_cells if which == "rep_model" else cells
    cellam.save(model, data, tmp_path / "run")
    opened = cellam.open_run(tmp_path / "run").model
    before, after = (m.simulate("day0", save_every=1.0, seed=3) for m in (model, opened))
    for field in ("times", "points", "log_weights", "rows"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field))
    assert opened.options == model.options
    assert opened.timeline == model.timeline
    assert opened.choice == model.choice
    assert opened.fit.record == model.fit.record
    assert opened.seconds == model.seconds


@pytest.mark.parametrize(
    "options",
    [
        {"action": "mlp", "steps": 3, "tau": 1.0},
        {"method": "ueam", "tau": 1.0},
        {"growth": "tied", "tau": 1.0},
        {"path": "mixture", "method": "am"},
    ],
)
def test_every_kind_of_fit_survives_the_disk(
    cells: Cells, tmp_path: Path, options: dict[str, object]
) -> None:
    model = cellam.fit(cells, n_features=16, n_pcs=3, **options)
    cellam.save(model, cells, tmp_path / "run")
    opened = cellam.open_run(tmp_path / "run").model
    before, after = (m.simulate("day0", to="day2") for m in (model, opened))
    np.testing.assert_array_equal(after.points, before.points)
    np.testing.assert_array_equal(after.log_weights, before.log_weights)


def test_the_same_seed_gives_the_same_bytes(cells: Cells, tmp_path: Path) -> None:
    for name, seed in {"a": 0, "b": 0, "c": 1}.items():
        model = cellam.fit(cells, n_features=32, tau=1.0, n_pcs=3, seed=seed)
        cellam.save(model, cells, tmp_path / name)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    for name in ("action.safetensors", "space.safetensors", "snapshots.safetensors"):
        assert a[name] == b[name]
    assert a["action.safetensors"] != c["action.safetensors"]


def test_a_run_holds_the_files_that_its_manifest_names(run: Run) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert tuple(sorted(manifest["files"])) == FILES
    assert sorted(p.name for p in run.path.iterdir()) == sorted([*FILES, "manifest.json"])


def test_a_run_says_where_it_came_from(run: Run, cells: Cells, small_path: Path) -> None:
    seen = cellam.open_run(run.path).provenance
    assert seen["cellam"] == cellam.__version__
    assert seen["data"]["digest"] == cells.digest
    assert seen["data"]["path"] == str(small_path)
    assert seen["data"]["cells"] == len(cells)
    assert seen["seed"] == 0
    assert "torch" in seen["packages"]


def test_no_pickle_is_in_a_run(run: Run) -> None:
    for name, content in contents(run.path).items():
        assert not content.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")), name
        assert b"PK\x05\x06" not in content, name
        assert b"numpy.core" not in content, name
        assert b"torch._utils" not in content, name
        if name.endswith(".json"):
            json.loads(content)
        else:
            header = int.from_bytes(content[:8], "little")
            assert json.loads(content[8 : 8 + header])


def test_data_that_moved_with_the_run_are_found(
    model: Model, cells: Cells, small_path: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "small.h5ad").write_bytes(small_path.read_bytes())
    cellam.save(model, cells, project / RUNS / "a", data=project / "small.h5ad")
    project.rename(tmp_path / "renamed")
    opened = cellam.open_run(tmp_path / "renamed" / RUNS / "a")
    found = opened.data()
    assert found == tmp_path / "renamed" / "small.h5ad"
    found.unlink()
    with pytest.raises(DataError, match="nor next to the run"):
        opened.data()


def test_a_run_may_be_moved(run: Run, tmp_path: Path) -> None:
    run.path.rename(tmp_path / "elsewhere")
    assert cellam.open_run(tmp_path / "elsewhere").digest == run.digest


def test_cells_that_are_not_those_of_the_fit_are_refused(
    run: Run, cells: Cells, rep_cells: Cells
) -> None:
    run.check_same(cells)
    with pytest.raises(DataError, match="is not the data of the run"):
        run.check_same(rep_cells)


def test_a_run_remembers_how_its_cells_were_read(small_path: Path, tmp_path: Path) -> None:
    cells = cellam.read(small_path, time_key="day", use_rep="X_latent")
    model = cellam.fit(cells, n_features=16, tau=1.0)
    cellam.save(model, cells, tmp_path / "run", data=small_path)
    options = cellam.open_run(tmp_path / "run").model.options
    assert (options.use_rep, options.time_key) == ("X_latent", "day")
    # As `eval` does it:
    again = cellam.read(small_path, time_key=options.time_key, use_rep=options.use_rep)
    cellam.open_run(tmp_path / "run").check_same(again)


# Damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte_is_refused_by_the_name_of_its_file(run: Run, name: str) -> None:
    path = run.path / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    error = refusal(run.path)
    assert str(path) in error.message
    assert "hash" in error.message


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_its_name(run: Run, name: str) -> None:
    (run.path / name).unlink()
    assert str(run.path / name) in refusal(run.path).message


def test_a_flipped_byte_of_the_manifest_changes_nothing_or_is_refused(run: Run) -> None:
    path = run.path / "manifest.json"
    content = path.read_bytes()
    escaped = set()
    for k in range(0, len(content), 3):
        for bit in (0x01, 0x80):
            damaged = bytearray(content)
            damaged[k] ^= bit
            path.write_bytes(damaged)
            try:
                assert cellam.open_run(run.path).digest == run.digest
            except RunError:
                pass
            except Exception as error:
                escaped.add(
                    f"{type(error).__name__}: {error}, byte {k} of {content[k - 4 : k + 4]}"
                )
    assert not escaped


def test_a_manifest_without_its_files_is_refused(run: Run) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    del manifest["files"]
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    assert str(run.path) in refusal(run.path).message


@pytest.mark.parametrize("manifest", [["cellam"], {"cellam": 1, "format": 1, "files": ["x"]}])
def test_a_manifest_of_another_shape_is_refused(run: Run, manifest: object) -> None:
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    refusal(run.path)


def test_a_newer_format_asks_for_an_update(run: Run) -> None:
    rewrite_manifest(run, format=3)
    error = refusal(run.path)
    assert "format 3" in error.message
    assert "in its clone, and there: pip install ." in error.hint


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "", "sub/../options.json"])
def test_a_manifest_reads_nothing_outside_the_run(run: Run, name: str) -> None:
    (run.path.parent / "x").write_bytes(b"")
    manifest = json.loads((run.path / "manifest.json").read_text())
    rewrite_manifest(run, files={**manifest["files"], name: "0" * 64})
    error = refusal(run.path)
    assert "hash" not in error.message  # the file has not even been read


def test_a_manifest_that_lacks_a_file_is_incomplete(run: Run) -> None:
    manifest = json.loads((run.path / "manifest.json").read_text())
    del manifest["files"]["space.json"]
    rewrite_manifest(run, files=manifest["files"])
    error = refusal(run.path)
    assert "incomplete" in error.message
    assert "space.json" in error.message


def test_a_folder_without_manifest_is_no_run(tmp_path: Path) -> None:
    assert not is_run(tmp_path)
    assert not is_run(tmp_path / "missing")
    assert str(tmp_path) in refusal(tmp_path).message


FORMATS = sorted(Path(__file__).parent.glob("format-*/"))


@pytest.mark.parametrize("path", FORMATS, ids=lambda path: path.name)
def test_a_run_of_every_released_format_opens_and_simulates(path: Path) -> None:
    model = cellam.open_run(path).model
    moved = model.simulate(model.timeline.labels[0])
    # What the first version of this format printed.
    expected = json.loads((path.with_suffix(".json")).read_text())
    assert moved.points[-1].mean(0) == pytest.approx(expected["mean"], rel=1e-4)
    assert np.exp(moved.log_weights[-1]).sum() == pytest.approx(expected["mass"], rel=1e-4)


def test_a_run_of_the_first_format_knows_what_was_chosen_if_not_why() -> None:
    """Its choices stood in sentences."""
    model = cellam.open_run(Path(__file__).parent / "format-1").model
    assert model.choice.recipe == Recipe(Unbalanced(1.0), 1.0)
    assert {reason.because for reason in model.choice.reasons.values()} == {"not recorded"}
    assert model.fit.record.ridge == 1.0
    assert len(model.fit.record.losses) == 6


# Overwriting ------------------------------------------------------------------------------------


def test_a_run_is_overwritten_only_when_asked(
    run: Run, model: Model, rep_model: Model, cells: Cells, rep_cells: Cells
) -> None:
    before = contents(run.path)
    with pytest.raises(OutputError, match="exists already") as caught:
        cellam.save(rep_model, rep_cells, run.path)
    assert "`overwrite=True`" in caught.value.hint
    assert contents(run.path) == before
    cellam.save(rep_model, rep_cells, run.path, overwrite=True)
    assert cellam.open_run(run.path).model.space.rep == "X_latent"
    assert [p.name for p in run.path.parent.iterdir()] == ["small"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("taken", ["folder", "empty folder", "file"])
def test_a_foreign_folder_is_never_overwritten(
    model: Model, cells: Cells, tmp_path: Path, taken: str, overwrite: bool
) -> None:
    path = tmp_path / "thesis"
    if taken == "file":
        path.write_text("years of work")
    else:
        path.mkdir()
        if taken == "folder":
            (path / "chapter1.txt").write_text("years of work")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="not a cellam run"):
        cellam.save(model, cells, path, overwrite=overwrite)
    assert contents(tmp_path) == before
    assert path.exists()


def test_what_a_killed_process_left_in_a_run_does_not_keep_it(
    run: Run, model: Model, cells: Cells
) -> None:
    """Written beside their places, as `storage` does it; a page is our own, a note is not."""
    (run.path / "simulations").mkdir(exist_ok=True)
    for name in (".k2.cellam-new.html", "simulations/.k2.cellam-new.h5ad", "report.html"):
        (run.path / name).touch()
    (run.path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        cellam.save(model, cells, run.path, overwrite=True)
    (run.path / "notes.txt").unlink()
    cellam.save(model, cells, run.path, overwrite=True)
    assert not (run.path / "report.html").exists()


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


CALLS = {"fsync": (os, "fsync"), "open": (Path, "open"), "rename": (Path, "rename"),
         "mkdir": (Path, "mkdir"), "mkstemp": (tempfile, "mkstemp")}  # fmt: skip


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("refusal", [errno.ENOSPC, errno.EACCES, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("name", CALLS)
def test_whichever_call_the_system_refuses_the_old_run_is_left_and_no_stray_files(
    run: Run,
    rep_model: Model,
    rep_cells: Cells,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    refusal: int,
    overwrite: bool,
) -> None:
    before, (owner, attribute) = contents(run.path.parent), CALLS[name]
    real = getattr(owner, attribute)
    path = run.path if overwrite else run.path.with_name("other")
    for allowed in itertools.count():
        left = [allowed]

        def fails_later(*args: object, left: list[int] = left, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(refusal, os.strerror(refusal))
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, fails_later)
            try:
                cellam.save(rep_model, rep_cells, path, overwrite=overwrite)
            except CellamError as error:
                assert os.strerror(refusal) in error.message
            else:
                break
        if cellam.open_run(run.path).model.space.rep is None:
            assert contents(run.path.parent) == before
        else:  # refused after the move: then the new run is there, whole
            assert overwrite
            break
        assert [p.name for p in run.path.parent.iterdir()] == ["small"]
    assert allowed > 0 or left[0] == 0  # the call was made at all, or is not needed
    assert cellam.open_run(path).model.space.rep == "X_latent"


@pytest.mark.parametrize("exchange", [True, False])
def test_a_run_is_replaced_on_every_file_system(
    run: Run, rep_model: Model, rep_cells: Cells, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(storage, "_exchange", lambda one, other: False)
    cellam.save(rep_model, rep_cells, run.path, overwrite=True)
    assert cellam.open_run(run.path).model.space.rep == "X_latent"
    assert [p.name for p in run.path.parent.iterdir()] == ["small"]


def test_a_failed_move_puts_the_old_run_back(
    run: Run, rep_model: Model, rep_cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = contents(run.path.parent), Path.rename

    def fails_for_new(self: Path, target: Path) -> Path:
        return no_space() if self.name.endswith(".unfinished") else rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_exchange", lambda one, other: False)
        patch.setattr(Path, "rename", fails_for_new)
        with pytest.raises(OutputError, match="No space left"):
            cellam.save(rep_model, rep_cells, run.path, overwrite=True)
    assert contents(run.path.parent) == before


def test_a_place_that_is_a_file_is_an_output_error(
    model: Model, cells: Cells, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        cellam.save(model, cells, tmp_path / "file" / "run")


# Evaluations ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluation(cells: Cells, model: Model) -> Evaluation:
    return evaluate(cells, ("day2", "day4"), model.options, refits=4)


def test_scores_are_kept_and_found_again(run: Run, evaluation: Evaluation, cells: Cells) -> None:
    assert run.evaluation("day2") is None
    run.keep(evaluation)
    opened = cellam.open_run(run.path)
    joined = Evaluation.join([opened.evaluation(label) for label in evaluation.holdout], cells)
    assert joined.rows() == evaluation.rows()
    for kept, made in zip(skills(opened.scores()), skills(evaluation.scores), strict=True):
        assert_equal(kept, made)  # the covariance is kept too
    assert opened.evaluation("day7") is None


def test_scores_of_another_version_are_not_used(run: Run, evaluation: Evaluation) -> None:
    run.keep(evaluation)
    for path in (run.path / "evaluations").iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "cellam": "0.0.1"}))
    assert run.evaluation("day2") is None


def test_scores_of_a_fit_that_was_replaced_are_not_shown(
    run: Run, evaluation: Evaluation, cells: Cells
) -> None:
    """As where an evaluation that began before the replacement is kept after it."""
    other = cellam.fit(cells, n_features=16, n_pcs=3, tau=1.0, curvature=1.0)
    cellam.save(other, cells, run.path, overwrite=True)
    run.keep(evaluation)
    assert run.evaluation("day2") is not None
    assert cellam.open_run(run.path).evaluation("day2") is None


def test_labels_that_look_alike_as_file_names_keep_their_own_scores(
    run: Run, evaluation: Evaluation
) -> None:
    day = evaluation.scores.of("day2").table
    labels = ("../../day 2", "day/2", "day\n2", "é" * 300)
    for k, label in enumerate(labels):
        run.keep(Evaluation(Scores(day.assign(label=label, value=float(k)), {})))
    for k, label in enumerate(labels):
        assert set(run.evaluation(label).table["value"]) == {float(k)}
    assert {p.parent for p in run.path.parent.parent.rglob("*day*")} == {run.path / "evaluations"}


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"cellam": "VERSION"}'])
def test_a_damaged_evaluation_is_not_a_crash(
    run: Run, evaluation: Evaluation, damaged: str
) -> None:
    run.keep(evaluation)
    for path in (run.path / "evaluations").iterdir():
        path.write_text(damaged.replace("VERSION", cellam.__version__))
    try:
        assert run.evaluation("day2") is None
    except RunError as error:
        assert "evaluations" in error.message


def test_a_failed_keep_leaves_no_stray_files(
    run: Run, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match="No space left"):
        run.keep(evaluation)
    assert list((run.path / "evaluations").iterdir()) == []


def test_controls_are_kept_and_those_of_the_same_day_replaced(run: Run) -> None:
    def control(name: str, label: str, value: float) -> Controlled:
        skill = Skill(label, "energy", "cellam", value, value - 0.1, np.nan, "previous", "said")
        return Controlled(name, label, skill, 8)

    assert run.controls() == ()
    run.keep_controls([control("permuted", "day2", 0.1), control("random", "day2", 0.2)])
    run.keep_controls([control("permuted", "day2", 0.3), control("permuted", "day4", 0.4)])
    found = {(c.control, c.label): c for c in cellam.open_run(run.path).controls()}
    assert {key: c.skill.value for key, c in found.items()} == {
        ("permuted", "day2"): 0.3,
        ("random", "day2"): 0.2,
        ("permuted", "day4"): 0.4,
    }
    assert np.isnan(found["random", "day2"].skill.high)  # which JSON has no number for
    assert found["random", "day2"].refits == 8
    path = run.path / "controls.json"
    kept = json.loads(path.read_text())
    path.write_text(path.read_text().replace("0.4", "0.5"))
    with pytest.raises(RunError, match=r"controls\.json has changed"):
        run.controls()
    other = {key: value for key, value in kept.items() if key != "sha256"} | {"cellam": "0.0.1"}
    path.write_bytes(to_json({**other, "sha256": sha256(to_json(other))}))
    assert run.controls() == ()  # of another version


def test_options_are_kept_as_they_were_given(run: Run) -> None:
    given = Options(n_features=64, tau=1.0, n_pcs=5, time_key="day")  # the column that was found
    assert cellam.open_run(run.path).model.options == given
