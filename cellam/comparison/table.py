"""Table: all effects with intervals, p-values and controls, and the p-value of the verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellam.comparison.effects import SHARES, Scale, spread
from cellam.comparison.relabelling import false_discovery, in_scatter, p_values, smallest_p
from cellam.comparison.samples import Codes, Samples

Array = NDArray[np.float64]

SPLITS = 10  # of the reference into two groups


def dynamics_p(measured: list[dict[str, Array]]) -> float:
    """p-value of one dynamics for both conditions, from the effects of every labelling.

    By the larger of two statistics: the size of the difference of velocities, and that of the
    arrivals, root mean square of all in units of their scatter over labellings.
    """
    motion, arrival = (np.stack([one[name] for one in measured]) for name in ("motion", "arrival"))
    if arrival.size:
        motion = np.concatenate([motion, np.sqrt((in_scatter(arrival) ** 2).mean(1))[:, None]], 1)
    return float(p_values(motion)[0].min())


def shown(frame: pd.DataFrame, family: str, most: int) -> tuple[list[str], list[list[str]], int]:
    """The largest effects of a family as text: columns, rows, and how many rows are left out.

    Effects that are 0 under every labelling are no rows. All numbers of a family have the same
    decimals, three digits of the largest effect; shares are in percentage points, with one.

    Parameters
    ----------
    frame : pandas.DataFrame
        `Comparison.effects`.
    family : str
    most : int
        Rows, those of the largest effects.
    """
    rows = frame[(frame["family"] == family) & ((frame["effect"] != 0) | (frame["control"] > 0))]
    size = rows["effect"].abs().sort_values(ascending=False, kind="stable")
    tested = bool(frame["p"].notna().any())
    decimals = int(np.clip(2 - np.floor(np.log10(size.max())), 0, 6)) if len(rows) else 0
    factor = 1.0
    if family in SHARES:
        decimals, factor = 1, 100.0

    def number(value: float, sign: str = "+") -> str:
        return "–" if np.isnan(value) else f"{factor * value:{sign}.{decimals}f}"

    texts = [
        [
            str(row["item"]),
            number(row["effect"]),
            "–" if np.isnan(row["low"]) else f"{number(row['low'])} to {number(row['high'])}",
            *([f"{row['p']:.2g}"] if tested else []),
            number(row["control"], ""),
        ]
        for _, row in rows.loc[size.index[:most]].iterrows()
    ]
    columns = [family, "difference", "95 %", *(["p"] if tested else []), "control"]
    return columns, texts, max(len(rows) - most, 0)


def reading(found: pd.DataFrame, n_labellings: int, first: str) -> str:
    """What the columns of the tables say, and what they do not, a line each.

    Parameters
    ----------
    found : pandas.DataFrame
        `Comparison.effects`.
    n_labellings : int
    first : str
        The condition that is the reference.
    """
    control = ""
    if found["control"].notna().any():
        control = (
            f"Control: the largest such difference between two groups of samples of {first} alone; "
            "an effect that is no larger is nothing."
        )
    if not found["p"].notna().any():
        return control
    tables, least = found["family"].nunique(), smallest_p(n_labellings)
    reached = ""
    if (found["p"] <= least * (1 + 1e-9)).any():
        reached = (
            f"{least:.2g} is the smallest p that {n_labellings} labellings allow: no other "
            "labelling gives as much, and a larger effect would have no smaller p. "
        )
    says = [
        f"p is over all rows of its table, but not over the {tables} tables: the share of the "
        f"{n_labellings} labellings of the samples under which any of the rows is as large. "
        f"{reached}",
        "A small p says that the conditions differ, and not that they do in this row: what a "
        "treatment does to growth can show in motion and fates, and the other way round.",
        control,
        "95 % is of each row alone. An interval may leave out 0 where p is not small: of so many "
        "rows, one does by chance. It may hold 0 where p is small: of few samples it is wide, and "
        "p assumes less.",
    ]
    return "\n".join(line.strip() for line in says if line)


def effects_table(scale: Scale, units: Samples, measured: list[dict[str, Array]]) -> pd.DataFrame:
    """The effects of all families, with their intervals and p-values."""
    from scipy.stats import t as student

    errors, freedom = spread(units, scale.measure)
    width = float(student.ppf(0.975, freedom)) if freedom else np.nan
    control = _controls(scale, units)
    frames = []
    for family, items in scale.items().items():
        effect = measured[0][family]
        error = errors.get(family, np.full(len(effect), np.nan))
        frame = pd.DataFrame(
            {
                "family": family,
                "item": items,
                "effect": effect,
                "low": effect - width * error,
                "high": effect + width * error,
                "p": np.nan,
                "p_single": np.nan,
                "q": np.nan,
                "control": control.get(family, np.full(len(effect), np.nan)),
                "unit": scale.family(family).unit,
            }
        )
        if units.enough:
            frame["p"], frame["p_single"] = p_values(np.stack([one[family] for one in measured]))
            if family == "genes":
                frame["q"] = false_discovery(frame["p_single"].to_numpy())
        if family == "motion":  # a size has no sign, and no interval about 0
            frame["low"] = frame["low"].clip(lower=0)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _controls(scale: Scale, units: Samples) -> dict[str, Array]:
    """Largest effect between two groups of samples of the reference: (F,) for every family."""
    own = np.flatnonzero(units.of == 0)
    found: dict[str, Array] = {}
    for some in _splits(units, own):
        rest = np.setdiff1d(own, some)
        both = np.flatnonzero(units.shared)
        one = scale.measure(np.union1d(rest, both), np.union1d(some, both))
        for family, values in one.items():
            size = np.abs(values)
            found[family] = np.maximum(found[family], size) if family in found else size
    return found


def _splits(units: Samples, own: Codes) -> list[Codes]:
    """Half of the real samples of each stratum, in up to `SPLITS` ways; none of a single one."""
    rng = np.random.default_rng(0)
    found: dict[bytes, Codes] = {}
    strata = [own[units.stratum[own] == j] for j in np.unique(units.stratum[own])]
    parents = [np.unique(units.parent[s]) for s in strata]
    if any(len(p) < 2 for p in parents):
        return []
    for _ in range(4 * SPLITS):
        chosen = [rng.choice(p, len(p) // 2, replace=False) for p in parents]
        some = own[np.isin(units.parent[own], np.concatenate(chosen))]
        found.setdefault(some.tobytes(), some)
        if len(found) == SPLITS:
            break
    return list(found.values())
