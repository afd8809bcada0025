"""Evaluate: refit without a day, predict it, and keep the scores in the run."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cellam.checks.caveat import Caveat
from cellam.checks.caveats import caveats_by_holdout
from cellam.checks.score_caveats import evaluation_caveats
from cellam.display import enumerated
from cellam.dynamics.fitting import OnProgress, silent
from cellam.errors import ConfigError
from cellam.evaluation.baselines import BASELINES, check_baselines
from cellam.evaluation.contenders import FIT
from cellam.evaluation.controls import CONTROLS, Controlled, run_controls
from cellam.evaluation.counterparts import counterparts_of
from cellam.evaluation.evaluate import (
    Evaluation,
    available_metrics,
    evaluate,
    is_complete,
    resolve_holdout,
)
from cellam.evaluation.metrics import check_metrics
from cellam.evaluation.scores import Scores, check_n_boot
from cellam.evaluation.scoring import N_BOOT
from cellam.evaluation.sensitivity import AS_FITTED, Sensitivity
from cellam.evaluation.sensitivity import sweep as sweep_settings
from cellam.evaluation.skill import Skill, skills, verdict
from cellam.evaluation.units import sizes_on
from cellam.export.files import check_csv, write_csv
from cellam.limits import REFITS
from cellam.modelling.refits import check_refits, effective_refits
from cellam.reading.cells import Cells
from cellam.reading.samples import replicates_of
from cellam.result import Result
from cellam.runs.run import StoredRun
from cellam.workflows.given import Days, Names, day_texts, name_list

SKILL = {
    "value": "skill",
    "low": "skill_low",
    "high": "skill_high",
    "best": "best_baseline",
    "least": "skill_least",  # on one replicate
    "most": "skill_most",
    "to_replicates": "skill_to_replicates",
}


@dataclass(frozen=True, repr=False)
class EvaluationResult(Result):
    """Scores of held-out days, with the skill and the reasons for doubt.

    Parameters
    ----------
    run : pathlib.Path
    holdout : tuple of str
        Labels of the days.
    evaluation : Evaluation
        Scores of the metrics and methods that were asked for, and notes.
    skills : tuple of Skill
        One for each day, metric and method that has one.
    caveats : tuple of Caveat
        Reasons to doubt the scores of these days.
    all_caveats : tuple of Caveat
        The same for all days that were scored so far, which a report shows.
    earlier : tuple of str
        Days whose scores were in the run already.
    controls : tuple of Controlled
        Skill where the days were permuted, and so on; empty where they were not asked for.
    cells : Cells
        The data of the run.
    written : pathlib.Path or None
        File of the table, if one was asked for.
    sensitivity : Sensitivity or None
        How far answers move with other settings, if that was asked for.
    """

    run: Path
    holdout: tuple[str, ...]
    evaluation: Evaluation
    skills: tuple[Skill, ...]
    caveats: tuple[Caveat, ...]
    all_caveats: tuple[Caveat, ...]
    earlier: tuple[str, ...]
    controls: tuple[Controlled, ...]
    cells: Cells
    written: Path | None
    sensitivity: Sensitivity | None = None

    @property
    def facts(self) -> dict[str, str]:
        """Days, metrics, and the skill of the model on each day."""
        table = self.evaluation.table
        first = {skill.label: skill for skill in self.skills[::-1] if skill.method == "cellam"}
        shares = [
            f"{first[label].value:.2f} on {label} in {first[label].metric}"
            for label in self.holdout
            if label in first
        ]
        return {
            "held out": enumerated(list(self.holdout)),
            "skill": enumerated(shares) or "no baseline",
            "metrics": ", ".join(dict.fromkeys(table["metric"])),
            "methods": ", ".join(dict.fromkeys(table["method"])),
            "caveats": str(len(self.caveats)),
        }

    @property
    def verdicts(self) -> dict[str, str]:
        """What the scores of each day allow to say of the fit; of none without a baseline."""
        ours = {label: self.skills_on(label) for label in self.holdout}
        return {label: verdict(found) for label, found in ours.items() if found}

    def skills_on(self, label: str) -> list[Skill]:
        """Skills of the fit on one day, by metric."""
        return [s for s in self.skills if (s.label, s.method) == (label, FIT.name)]

    def to_frame(self) -> pd.DataFrame:
        """A row for each day, method and metric, with the skill beside those that have one.

        Of days with replicates also the mean distance between them (method: replicates), and that
        of the fit to each of them (to each).
        """
        keys = ["label", "metric", "method"]
        columns = [*keys, *SKILL]
        beside = pd.DataFrame([asdict(s) for s in self.skills], columns=columns)
        scores = self.evaluation.scores
        means = [
            {"label": label, "method": row.name, "metric": metric, "value": mean}
            for label in self.holdout
            for row in scores.ranges(label, FIT.name)
            for metric, (mean, _, _) in row.values.items()
        ]
        table = scores.table.merge(beside.rename(columns=SKILL), on=keys, how="left")
        return pd.concat([table, pd.DataFrame(means)], ignore_index=True) if means else table

    def to_dict(self) -> dict[str, Any]:
        """Scores, skill, notes and caveats."""
        return {
            "run": str(self.run),
            "holdout": list(self.holdout),
            "rows": self.evaluation.rows(),
            "replicates": self.evaluation.scores.of_replicates(),
            "skill": [asdict(skill) for skill in self.skills],
            "verdicts": self.verdicts,
            "controls": [asdict(control) | {"says": control.says} for control in self.controls],
            "notes": list(self.evaluation.notes),
            "caveats": [asdict(caveat) for caveat in self.caveats],
            "sweep": self._swept(),
        }

    def _swept(self) -> dict[str, Any] | None:
        moved = self.sensitivity
        return None if moved is None else {"says": moved.says, "settings": moved.to_json()}


def evaluate_run(
    run: StoredRun,
    holdout: Days,
    *,
    metrics: Names | None = None,
    baselines: Names | None = None,
    n_boot: int = N_BOOT,
    counterpart: bool = True,
    refits: int = REFITS,
    controls: bool = False,
    sweep: bool = False,
    csv: Path | str | None = None,
    overwrite: bool = False,
    data: Path | str | None = None,
    on_progress: OnProgress = silent,
) -> EvaluationResult:
    """Hold days out, each in turn, refit without it and score the prediction.

    Scores are kept in the run, and taken from there when they are asked for again.

    Parameters
    ----------
    run : StoredRun
    holdout : day or several
        Labels or numbers, or "all" for every training day but the first and the last.
    metrics : str or iterable of str, optional
        "W1,energy" or ["W1", "energy"]; all that the data allow without it.
    counterpart, refits
        As for `evaluation.evaluate.evaluate`.
    controls : bool
        Also score what ought to predict nothing, or less; see `evaluation.controls`. Each takes as
        long as the evaluation, and is kept as scores are.
    sweep : bool
        Also ask fits with other settings, one changed at a time, for these days, for growth and for
        fates; see `evaluation.sensitivity`. It is kept in the run too.
    baselines : str or iterable of str
        Among which the best is looked for, and which are part of the result; all without it.
    n_boot : int
        Draws of the bootstrap of the skill.
    csv : path, optional
        File for the table.
    overwrite : bool
        Whether `csv` may be replaced.
    data : path, optional
        The data of the run, if they have moved.
    on_progress : callable
        Told how many days are done.

    Raises
    ------
    ConfigError
        For unknown days, metrics or baselines, or what data and options do not allow.
    DataError
        If the data are not those of the fit.
    OutputError
        If the file is there, or the scores cannot be written.
    """
    asked = check_metrics(name_list(metrics)) if metrics is not None else None
    rivals = check_baselines(BASELINES if baselines is None else name_list(baselines))
    check_refits(refits)
    check_n_boot(n_boot)
    days = day_texts(holdout)
    if not days:
        raise ConfigError(
            "No day to hold out was given.", "Set `holdout` to the label of a day, or to all."
        )
    path = Path(csv) if csv is not None else None
    check_csv(path, overwrite)
    source = run.data(data)
    check_csv(path, overwrite, source)
    options = run.model.options
    cells = run.read(source)
    labels = resolve_holdout(cells, days, options)
    chosen = available_metrics(cells, options, asked, holdout=labels if asked else ())
    again = effective_refits(options, refits)
    others = counterparts_of(options) if counterpart else ()
    missing = _unscored(run, cells, labels, others, again)
    if missing:
        fresh = evaluate(
            cells,
            missing,
            options,
            counterpart=counterpart,
            refits=again,
            fitted=run.model,
            on_progress=on_progress,
        )
        run.keep(fresh)
    drawn = [_redrawn(run, label, n_boot) for label in labels]
    whole = Evaluation.join([scores for scores in drawn if scores is not None], cells)
    result = whole.only(chosen, baselines=rivals, counterpart=counterpart)
    so_far = run.scores()
    scored = so_far.labels if so_far is not None else ()
    of_fit, doubts, all_doubts = caveats_by_holdout(run.model, cells, [(), labels, scored])
    run.keep_caveats(of_fit)
    checked: tuple[Controlled, ...] = ()
    if controls:
        checked = _controlled(run, cells, labels, again, on_progress)
    moved = _moved(run, cells, labels, on_progress) if sweep else None
    seed = options.seed
    doubts = (*evaluation_caveats(whole.scores, checked, seed=seed), *doubts)
    all_doubts = (*evaluation_caveats(so_far, run.controls(), seed=seed), *all_doubts)
    share = tuple(skills(result.scores, seed=options.seed))
    found = EvaluationResult(
        run.path,
        labels,
        result,
        share,
        doubts,
        all_doubts,
        tuple(label for label in labels if label not in missing),
        checked,
        cells,
        path,
        moved,
    )
    if path is not None:
        write_csv(found.to_frame(), path)
    return found


def _unscored(
    run: StoredRun,
    cells: Cells,
    labels: Iterable[str],
    counterparts: Collection[str],
    refits: int,
) -> list[str]:
    """The days whose scores are not in the run yet, or not all of them."""
    missing = []
    replicates = replicates_of(cells)
    for label in labels:
        kept = run.evaluation(label)
        known = available_metrics(cells, run.model.options, holdout=(label,))
        if kept is None or not is_complete(
            kept,
            known,
            counterparts=counterparts,
            refits=refits,
            sizes=sizes_on(replicates, label),
        ):
            missing.append(label)
    return missing


def _controlled(
    run: StoredRun,
    cells: Cells,
    labels: Iterable[str],
    refits: int,
    on_progress: OnProgress,
) -> tuple[Controlled, ...]:
    """The controls of some days: those that are in the run, and the others, which are then kept."""

    def known() -> dict[tuple[str, str], Controlled]:
        return {(c.label, c.control): c for c in run.controls() if c.refits == refits}

    there = known()
    missing = [label for label in labels if any((label, name) not in there for name in CONTROLS)]
    if missing:
        run.keep_controls(
            run_controls(
                cells,
                missing,
                run.model.options,
                refits=refits,
                on_progress=on_progress,
            )
        )
        there = known()
    return tuple(there[label, name] for name in CONTROLS for label in labels)


def _moved(
    run: StoredRun, cells: Cells, labels: tuple[str, ...], on_progress: OnProgress
) -> Sensitivity:
    """How far answers move with other settings: from the run, or worked out and then kept."""
    kept = run.sensitivity()
    if kept is None or set(kept.answers[AS_FITTED].skill) != set(labels):
        run.keep_sensitivity(sweep_settings(cells, run.model, labels, on_progress=on_progress))
        kept = run.sensitivity()
    assert kept is not None
    return kept


def _redrawn(run: StoredRun, label: str, n_boot: int) -> Scores | None:
    """The scores of a day; what is kept says how often the interval of its skill is drawn."""
    scores = run.evaluation(label)
    if scores is not None and (scores.table["n_boot"] != n_boot).any():
        scores = replace(scores, table=scores.table.assign(n_boot=n_boot))
        run.keep(Evaluation(scores))
    return scores
