"""Modalities: one of several AnnData in a MuData file, named as `data.h5mu/rna`.

MuData names a part of its file so, too. Such a part is read like any AnnData; what the file holds
of all cells together, columns of `obs` and joint representations in `obsm`, is read with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.errors import DataError
from cellam.files.inner_paths import GROUP
from cellam.files.stores import Store
from cellam.names import offer


@dataclass(frozen=True)
class Modality(Store):
    """The elements of a modality.

    Parameters
    ----------
    whole : Store
        All of the file.
    modality : str
        Its name there.
    """

    whole: Store
    modality: str

    def keys(self, path: str) -> list[str]:
        """Names within "obsm" or "layers", joint representations too."""
        own = super().keys(path)
        return sorted({*own, *self._joint}) if path == "obsm" else own

    def shape(self, path: str) -> tuple[int, ...] | None:
        """As `Store.shape`."""
        own = super().shape(path)
        if own is None and self._is_joint(path):
            shape = self.whole.shape(path)
            return None if shape is None else (len(self._rows), *shape[1:])
        return own

    def element(self, path: str) -> Any:
        """As `Store.element`; `obs` with the columns of all cells that it lacks."""
        value = super().element(path)
        if path == "obs" and isinstance(value, pd.DataFrame):
            return self._with_columns(value)
        if value is None and self._is_joint(path):
            return self.whole.element(path)[self._rows]
        return value

    @cached_property
    def _joint(self) -> list[str]:
        """Representations of all cells; under the names of modalities it says who has them."""
        return sorted({*self.whole.keys("obsm")} - {*self.whole.keys(GROUP)})

    def _is_joint(self, path: str) -> bool:
        return path.startswith("obsm/") and path.removeprefix("obsm/") in self._joint

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        """Where each cell of the modality stands among all cells."""
        place = self.whole.element(f"obsmap/{self.modality}")
        if place is None:
            raise DataError(
                f"{self.whole.name} does not say which cells {self.modality!r} has: it lacks "
                f"'obsmap/{self.modality}'.",
                "Save it again with mudata: mudata.read_h5mu(FILE).write_h5mu('data.h5mu').",
            )
        place = np.asarray(place).ravel().astype(np.int64)  # 1 for its first cell, 0 without one
        there = np.flatnonzero(place)
        rows = there[np.argsort(place[there], kind="stable")]
        names, ours = self.whole.element("obs").index, super().element("obs").index
        if rows.max(initial=-1) >= len(names) or not names[rows].equals(ours):
            raise DataError(
                f"{self.whole.name}: the cells of {self.modality!r} are not those that its obsmap "
                "names.",
                "Call mdata.update() in Python, and save it again.",
            )
        return rows

    def _with_columns(self, obs: pd.DataFrame) -> pd.DataFrame:
        whole = self.whole.element("obs")
        ours = tuple(f"{name}:" for name in self.whole.keys(GROUP))
        more = [c for c in whole if c not in obs and not str(c).startswith(ours)]
        return pd.concat([obs, whole[more].iloc[self._rows]], axis=1) if more else obs


def find_modality(whole: Store, name: str) -> Modality:
    """The modality of that name.

    Raises
    ------
    DataError
        If there is none.
    """
    known = whole.keys(GROUP)
    if name not in known:
        raise DataError(f"{whole.name} has no modality {name!r}.", offer(name, known))
    root = whole.group(f"{GROUP}/{name}")
    return Modality(f"{whole.name}/{name}", root, whole.path / name, whole, name)
