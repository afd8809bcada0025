"""Plot request: what a figure is asked for, and what is worked out for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from cellam.analysis.fates import Fates
    from cellam.dynamics.fitting import OnProgress
    from cellam.modelling.model import Model
    from cellam.modelling.simulated import Simulation
    from cellam.reading.palette import Palette
    from cellam.reading.queries import Query
    from cellam.runs.run import StoredRun
    from cellam.workflows.terminal_states import TerminalStates

SAVED = 60  # times of a trajectory


@dataclass(frozen=True)
class Request:
    """What a figure is asked for; None stands for what was not given.

    Parameters
    ----------
    run : StoredRun
    adata : AnnData or None
        Annotation and representations of the cells, if they are there.
    source : pathlib.Path or None
        Where they are.
    save : pathlib.Path or None
        File to write.
    on_progress : callable
        For a figure that fits again.
    """

    run: StoredRun
    adata: AnnData | None
    source: Path | None
    save: Path | None
    on_progress: OnProgress
    basis: str | None
    color: str | None
    groupby: str | None
    start: str | None
    from_cells: Query | None
    n_cells: int | None
    terminal: str | None
    genes: str | None
    by: str | None
    holdout: str | None
    metric: str
    seed: int
    given: frozenset[str] = field(default_factory=frozenset)

    @property
    def model(self) -> Model:
        """The model of the run."""
        return self.run.model

    @property
    def annotated(self) -> AnnData:
        """The annotation, for a figure that cannot do without."""
        assert self.adata is not None
        return self.adata

    def follow(self, model: Model, n: int, *, often: bool = True) -> Simulation:
        """Cells of a day, at most `n` of them unless told otherwise, to the last day."""
        import numpy as np

        from cellam.reading.queries import select_rows

        days = model.training
        k = model.timeline.index(self.start or days.labels[0])
        rows = model.snapshots.rows[k]
        if self.from_cells is not None:
            rows = rows[np.isin(rows, select_rows(self.annotated.obs, self.from_cells))]
        return model.simulate(
            model.timeline.labels[k],
            rows=rows,
            n_cells=min(self.n_cells or n, len(rows)) or None,
            save_every=(days.times[-1] - days.times[0]) / SAVED if often else None,
            seed=self.seed,
        )

    def types(self, *, needed: bool) -> pd.Series[Any] | None:
        """Cell types, which some figures cannot do without."""
        from cellam.errors import ConfigError
        from cellam.reading.cell_types import list_offers, resolve_types

        obs, codes = self.adata.obs if self.adata is not None else None, self.model.snapshots.codes
        types = resolve_types(obs, codes, self.groupby) if obs is not None else None
        if types is None and needed:
            raise ConfigError(
                "No column of obs is recognised as cell types.",
                list_offers(obs, codes, "groupby=COLUMN")
                if obs is not None
                else "Set the location of the data with `data`.",
            )
        return types

    def colours(self, types: pd.Series[Any] | None) -> Palette | None:
        """Colours of cell types, the same in every figure of the run."""
        from cellam.reading.palette import types_palette

        if types is None:
            return None
        return types_palette(types.dropna().unique(), self.annotated, str(types.name))

    @cached_property
    def ends(self) -> TerminalStates:
        """Where cells are said to end, by a column or as it was found."""
        from cellam.workflows.terminal_states import terminal_states

        return terminal_states(self.run, self.annotated.obs, self.terminal, seed=self.seed)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of states that were found for the figure."""
        found = self.ends.found if "ends" in vars(self) else None
        return () if found is None else found.notes

    @property
    def followed_types(self) -> pd.Series[Any]:
        """What the cells are called whose fates are drawn; None for each where nothing says."""
        import pandas as pd

        types = self.ends.types
        return (
            pd.Series(None, index=self.annotated.obs_names, dtype=object)
            if types is None
            else types
        )

    def fates(self, start: str | None) -> list[Fates]:
        """Fates of the cells of a day, or of all days before the terminal one."""
        from cellam.analysis.assignment import reference_of
        from cellam.analysis.fates import fates_by_day
        from cellam.analysis.terminal import days_before
        from cellam.plots.lineages import check_state

        model, end, states = self.model, self.ends.end, self.ends.states
        labels = [start] if start is not None else days_before(model, end.label)
        if self.color is not None:
            check_state(self.color, reference_of(model, end.label, states).names, end.label)
        return list(fates_by_day(model, labels, states, terminal=end.label, seed=self.seed))
