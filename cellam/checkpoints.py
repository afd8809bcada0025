"""Checkpoints: what a fit has computed so far, so that it can be stopped and resumed.

A fit is a row of stages (the recipe, the pairs of every gap, the action), each with random
numbers of its own. A stage that is done is kept; a fit that goes on recalls it instead of
working it out again, and ends in the same bytes. Each stage is a safetensors file, and
`checkpoint.json`, replaced in one rename, names the files with their SHA-256.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellam.errors import RunError, Stopped
from cellam.storage import sha256, to_safetensors, write_atomically, writing

Arrays = dict[str, NDArray[Any]]

INDEX = "checkpoint.json"
EVERY = 100  # steps of a network between two checkpoints


class Stage(NamedTuple):
    """What a stage left: arrays, and values that JSON can hold."""

    arrays: Arrays
    values: dict[str, Any]


@dataclass
class Checkpoint:
    """The stages of one fit.

    Parameters
    ----------
    folder : pathlib.Path or None
        Where they are kept; None keeps nothing.
    signal : int
        The signal that asks the fit to stop, or 0. `keep` and `pause` then raise `Stopped`.
    """

    folder: Path | None = None
    signal: int = 0
    _stages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @staticmethod
    def open(folder: Path) -> Checkpoint:
        """The checkpoint in a folder, with the stages that an earlier fit kept there.

        Raises
        ------
        RunError
            If it is damaged.
        """
        index = folder / INDEX
        if not index.exists():
            return Checkpoint(folder)
        try:
            stages = json.loads(index.read_text(encoding="utf-8"))
            for stage in stages.values():
                str(stage["file"]), str(stage["sha256"]), dict(stage["values"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise _damaged(index) from None
        return Checkpoint(folder, _stages=stages)

    @property
    def started(self) -> bool:
        """Whether any stage is kept."""
        return bool(self._stages)

    def recall(self, stage: str) -> Stage | None:
        """What a stage left, if it was kept."""
        kept = self._stages.get(stage)
        if kept is None or self.folder is None:
            return None
        from safetensors.numpy import load

        path = self.folder / Path(kept["file"]).name
        try:
            content = path.read_bytes()
        except OSError:
            raise _damaged(path) from None
        if sha256(content) != kept["sha256"]:
            raise _damaged(path)
        return Stage(load(content), kept["values"])

    def keep(self, stage: str, values: dict[str, Any], arrays: Arrays | None = None) -> None:
        """Keep what a stage leaves, in place of what it left before."""
        if self.folder is not None:
            content = to_safetensors(arrays or {"none": np.zeros(0)})
            digest = sha256(content)
            before = self._stages.get(stage)
            kept = {"file": f"{stage}-{digest[:12]}.safetensors", "sha256": digest}
            with writing(self.folder):
                self.folder.mkdir(exist_ok=True)
                write_atomically(self.folder / kept["file"], content)
                self._stages[stage] = {**kept, "values": values}
                # Python's own JSON, which keeps infinities; only we read it.
                write_atomically(self.folder / INDEX, json.dumps(self._stages, indent=1).encode())
                if before is not None and before["file"] != kept["file"]:
                    (self.folder / before["file"]).unlink(missing_ok=True)
        self.pause()

    def due(self, step: int) -> bool:
        """Whether a long stage should be kept after this step."""
        return step % EVERY == 0 or self.signal > 0

    def pause(self) -> None:
        """Stop here, if the fit was asked to.

        Raises
        ------
        Stopped
        """
        if self.signal:
            raise Stopped(self.signal)


def _damaged(path: Path) -> RunError:
    return RunError(
        f"{path} is missing or damaged, so the stopped fit cannot be resumed.",
        "Start again with `overwrite=True` instead of `resume=True`.",
    )
