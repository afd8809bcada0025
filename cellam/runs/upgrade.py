"""Upgrade: runs of earlier versions, read as if they had been written today.

In format 1, that of cellam 0.1, choices stood in sentences; what these do not tell is marked as not
recorded. Options that do nothing were taken, and are set aside.
"""

from __future__ import annotations

import math
from typing import Any

from cellam.dynamics.curves import CURVATURE
from cellam.options import Options


def upgrade(parsed: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Bring the JSON and the arrays of a run of format 1, by file, to the present format."""
    fitted = parsed["fit.json"]
    said = dict(note.split(": ", 1) for note in fitted.pop("notes") if ": " in note)
    fitted["choice"] = _choice(said)
    fitted["record"] = _record(parsed.pop("history.json"), said)
    fitted["growth_range"] = _range(fitted["growth_range"])
    fitted["prior_source"] = None
    if "ensemble.json" in parsed:
        name = "ensemble.safetensors"
        arrays[name] = {key.replace(".action.", "."): x for key, x in arrays[name].items()}
        for k, member in enumerate(parsed["ensemble.json"]):
            own = dict(note.split(": ", 1) for note in member.pop("notes") if ": " in note)
            member |= {
                "action": fitted["action"],
                "growth_range": _range(member["growth_range"]),
                "record": {"ridge": _ridge(own), "losses": []},
            }
            parsed["ensemble.json"][k] = member


def in_effect(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a run, those that do nothing in it as they are by default."""
    conserves = options["method"] in ("am", "eam")
    idle = ["growth"] * conserves
    if options["action"] != "kernel" and (conserves or options["growth"] == "tied"):
        idle.append("n_features")
    return options | {name: Options.model_fields[name].default for name in idle}


def _choice(said: dict[str, str]) -> dict[str, Any]:
    path: dict[str, Any] = {"name": "ot"}
    curvature, prior = CURVATURE, 0.0
    reasons = {}
    unknown = {"because": "not recorded", "scores": {}, "days": 0}
    for key in said:
        words = key.split()
        if words[0] == "path":
            path, reasons["coupling"] = {"name": words[1]}, unknown
            if words[1:4] == ["uot", "with", "tau"]:
                path["tau"] = float(words[4])
        elif words[0] == "curvature":
            curvature, reasons["curvature"] = float(words[1]), unknown
        elif key.startswith("share of the growth prior"):
            prior, reasons["prior"] = float(words[-1]), unknown
    return {
        "path": path,
        "curvature": curvature,
        "prior": prior,
        "reasons": reasons,
        "open_paths": [path],
    }


def _record(history: list[dict[str, float]], said: dict[str, str]) -> dict[str, Any]:
    if history and "ridge" in history[0]:
        losses = [[row["ridge"], row["held_out_loss"]] for row in history]
        return {"ridge": _ridge(said), "losses": losses}
    return {
        "history": history,
        "best_loss": min(row["held_out_loss"] for row in history),
        "limit": history[-1]["step"],
        "scale": 1.0,
    }


def _ridge(said: dict[str, str]) -> float:
    (key,) = (key for key in said if key.startswith("ridge "))
    return float(key.split()[-1])


def _range(stored: list[float | None]) -> list[float] | None:
    bounds = [x for x in stored if x is not None and math.isfinite(x)]
    return bounds if len(bounds) == 2 else None
