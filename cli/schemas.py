"""Schemas: the keys of what each command prints with --json, as JSON Schema.

All keys are said and no other may come: a script can rely on each of them. A number that is not
finite is null (`cellam.storage.json_text`), so each number may be null.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from cellam._version import __version__

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer"}
NUMBER: Schema = {"type": ["number", "null"]}


def _maybe(schema: Schema) -> Schema:
    """Or null, where there is none."""
    return {"anyOf": [schema, {"type": "null"}]}


def _some(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _named(schema: Schema) -> Schema:
    """One for each name of the data, or of the user: a day, a type, a gene."""
    return {"type": "object", "additionalProperties": schema}


def _keys(keys: dict[str, Schema], *, some: Collection[str] = ()) -> Schema:
    """An object of these keys, of which some are not always there."""
    return {
        "type": "object",
        "properties": keys,
        "required": [key for key in keys if key not in some],
        "additionalProperties": False,
    }


NUMBERS, SHARES = _some(NUMBER), _named(NUMBER)
ROW = _named({"type": ["string", "integer", "number", "null"]})  # of a table of the user's columns
CAVEATS = _some(_keys({"name": TEXT, "finding": TEXT, "advice": TEXT}))
TERMINAL = _keys({"day": TEXT, "column": TEXT})
ENDS = ("replicates_low", "replicates_high")  # where there are replicates to leave out
TIMES = {"times": _named(NUMBER), "unit": _maybe(TEXT)}

_SKILL = {
    **dict.fromkeys(("label", "metric", "method"), TEXT),
    **dict.fromkeys(("value", "low", "high"), NUMBER),
    **{"best": TEXT, "says": TEXT, "unit": TEXT, "replicates": COUNT},
    **dict.fromkeys(("least", "most", "to_replicates", "possible"), NUMBER),
}
_SCORE = {
    "time": NUMBER,
    **dict.fromkeys(("label", "method", "metric"), TEXT),
    **dict.fromkeys(("value", "low", "high"), NUMBER),
    **{"n": COUNT, "draws": COUNT, "extrapolation": FLAG, "seen": FLAG, "refits": COUNT},
    **{"fit_seconds": NUMBER, "n_boot": COUNT, "unit": TEXT, "replicates": COUNT, "df": NUMBER},
}
_BECOME = {
    "cells": COUNT,
    **{"few": FLAG, "mass": NUMBER, "entropy": NUMBER},
    **dict.fromkeys(("fate", "least", "most", "sd", "low", "high"), SHARES),
    **{key: _maybe(SHARES) for key in ENDS},
}
_UNSURE = ("sd", "low", "high", *ENDS)
_INTERVAL = {"interval": NUMBERS, "agreeing": COUNT}
# Where types are known.
_OF_TYPES = {
    **dict.fromkeys(("simulated", "observed", "bias"), SHARES),
    **dict.fromkeys(("simulated_interval", "observed_interval"), _named(NUMBERS)),
    **dict.fromkeys(("simulated_replicates", "observed_replicates"), _named(NUMBERS)),
}
_PATH = _keys({"name": TEXT, "tau": NUMBER, "entropy": NUMBER}, some=("tau", "entropy"))
_REASON = _keys({"because": TEXT, "scores": SHARES, "days": COUNT})
_LIKE = _keys({"division": COUNT, "death": COUNT})
_COST = {"seconds": NUMBER, "bytes": COUNT}

CHECK = {
    "data": TEXT,
    "cells": _named(COUNT),
    "time_key": TEXT,
    **TIMES,
    "excluded": _some(TEXT),
    "gaps": NUMBERS,
    "other_times": _some(
        _keys({"column": TEXT, **TIMES, "relation": TEXT, "agrees": FLAG, "plausible": FLAG})
    ),
    "notes": _some(TEXT),
    **{key: _maybe(TEXT) for key in ("rep", "layer", "kind", "values")},
    "genes": COUNT,
    "sampled": _maybe(COUNT),
    "embeddings": _named(COUNT),
    "layers": _some(TEXT),
    "types": _maybe(TEXT),
    "n_types": _maybe(COUNT),
    "unannotated": _maybe(COUNT),
    "batches": _some(
        _keys(
            {
                **{"key": TEXT, "levels": COUNT, "confounded": FLAG},
                "everywhere": FLAG,
                **{"groups": _some(_some(TEXT)), "within": _maybe(TEXT)},
            }
        )
    ),
    "replicate": _maybe(TEXT),
    "design": _maybe(_some(ROW)),
    "growth_genes": _keys({"human": _LIKE, "mouse": _LIKE}),
    "species": _maybe(TEXT),
    "velocities": _maybe(COUNT),
    "clones": _some(_keys({"from": TEXT, "to": TEXT, "shared": COUNT})),
    "estimate": _keys(
        {
            **_COST,
            "eval": _maybe(_keys({"day_seconds": NUMBER, "all_seconds": NUMBER, "bytes": COUNT})),
            "uncounted": _some(TEXT),
        }
    ),
    "caveats": CAVEATS,
    "next": TEXT,
}
COMPARE = {
    **dict.fromkeys(("data", "condition", "reference", "against"), TEXT),
    "replicate": _maybe(TEXT),
    "samples": _maybe(_some(COUNT)),
    "thinned": COUNT,
    "design": _some(ROW),
    "labellings": COUNT,
    **{"smallest_p": NUMBER, "dynamics_p": NUMBER, "verdict": TEXT},
    "effects": _some(
        _keys(
            {
                **{"family": TEXT, "item": TEXT, "effect": NUMBER, "low": NUMBER, "high": NUMBER},
                **{"p": NUMBER, "p_single": NUMBER, "q": NUMBER, "control": NUMBER, "unit": TEXT},
            }
        )
    ),
    "transfer": _some(
        _keys(
            {
                **{"condition": TEXT, "day": TEXT, "own": NUMBER, "other": NUMBER},
                **{"common": NUMBER, "replicates": NUMBER},
            }
        )
    ),
}
_LEADS = ("before", "after", "lead", "above", "p_value", "q_value")
DRIVERS = {
    **{"of": TEXT, "run": TEXT, "cells": COUNT, "days": _some(TEXT), "genes": COUNT},
    "drivers": _some(
        _keys(
            {
                **{"gene": TEXT, "correlation": NUMBER, "p_value": NUMBER, "q_value": NUMBER},
                **{"mean": NUMBER, "share_of_cells": NUMBER},
            }
        )
    ),
    "regulators": _maybe(
        _keys(
            {
                **{"source": TEXT, "listed": COUNT, "factors": COUNT, "leading": COUNT},
                **{"others": COUNT, "gaps": COUNT, "notes": _some(TEXT)},
                "table": _some(
                    _keys({"gene": TEXT} | dict.fromkeys(_LEADS, NUMBER)),
                ),
            }
        )
    ),
    "caveats": CAVEATS,
}
JACOBIAN = {
    **{"run": TEXT, "cells": COUNT, "drawn": COUNT, "days": _some(TEXT)},
    **{"members": COUNT, "warning": TEXT},
    "pairs": _some(
        _keys(
            {
                **{"gene": TEXT, "other": TEXT, "effect": NUMBER, "cells_low": NUMBER},
                **{"cells_high": NUMBER, "same_sign": NUMBER, "above": NUMBER},
                **{"low": NUMBER, "high": NUMBER},
            },
            some=("low", "high"),
        )
    ),
}
EVAL = {
    "run": TEXT,
    "holdout": _some(TEXT),
    "rows": _some(_keys(_SCORE)),
    "replicates": _some(
        _keys(
            {
                **dict.fromkeys(("label", "metric", "method", "replicate"), TEXT),
                **{"other": _maybe(TEXT), "value": NUMBER, "n": COUNT, "cells": COUNT},
            }
        )
    ),
    "skill": _some(_keys(_SKILL)),
    "verdicts": _named(TEXT),
    "controls": _some(
        _keys(
            {
                **{"control": TEXT, "label": TEXT, "skill": _keys(_SKILL)},
                **{"refits": COUNT, "says": TEXT},
            }
        )
    ),
    "notes": _some(TEXT),
    "caveats": CAVEATS,
    "sweep": _maybe(
        _keys(
            {
                "says": TEXT,
                "settings": _some(
                    _keys(
                        {
                            **{"setting": TEXT, "skill": SHARES, "growth": SHARES},
                            "fates": _named(SHARES),
                        }
                    )
                ),
            }
        )
    ),
}
FATES = {
    "run": TEXT,
    "terminal": _keys({"day": TEXT, "column": _maybe(TEXT)}),
    "found": _maybe(
        _keys(
            {
                **{"agreement": NUMBER, "least": NUMBER, "most": NUMBER, "written": _maybe(TEXT)},
                **{"halves": COUNT, "halves_without": COUNT},
                "states": _some(
                    _keys(
                        {
                            **{"state": TEXT, "cells": COUNT, "found_again": COUNT},
                            "markers": _some(TEXT),
                        }
                    )
                ),
            }
        )
    ),
    "ancestors": FLAG,
    "new_cells": _maybe(TEXT),
    "members": COUNT,
    "over": _maybe(TEXT),
    "days": _some(
        _keys(
            {
                **{"day": TEXT, "cells": COUNT, "states": _some(TEXT)},
                "types": _some(_keys({"type": TEXT, **_BECOME}, some=_UNSURE)),
                "all": _keys(_BECOME, some=_UNSURE),
                "observed": _named(NUMBERS),
                "flow": _some(
                    _keys({"source": TEXT, "target": TEXT, "before": NUMBER, "after": NUMBER})
                ),
            },
            some=("flow", "observed"),
        )
    ),
    "recognised": SHARES,
    "calibration": _maybe(
        _keys(
            {
                **{"kept": NUMBER, "halves": NUMBERS, "before": SHARES, "clones": COUNT},
                **{"cells": COUNT, "brier": SHARES, "gain": _named(NUMBERS), "used": FLAG},
                "says": TEXT,
            }
        )
    ),
    "notes": _some(TEXT),
    "caveats": _maybe(CAVEATS),
    "written": _maybe(TEXT),
}
PERTURB = {
    "changes": _some(_keys({"gene": TEXT, "z": NUMBER, "cells_expressing": COUNT})),
    "from": TEXT,
    "new_cells": _maybe(TEXT),
    "cells": COUNT,
    "terminal": _keys({"day": TEXT, "column": _maybe(TEXT)}),
    "members": COUNT,
    "fates": _some(
        _keys(
            {"state": TEXT, "before": NUMBER, "after": NUMBER, "change": NUMBER, **_INTERVAL},
            some=_INTERVAL,
        )
    ),
    "log_mass": _keys({"change": NUMBER, **_INTERVAL}, some=_INTERVAL),
    "off_manifold": _keys({"before": NUMBER, "after": NUMBER}),
    "notes": _some(TEXT),
    "caveats": CAVEATS,
}
SIMULATE = {
    **{"run": TEXT, "from": TEXT, "new_cells": _maybe(TEXT), "cells": COUNT},
    "discrete": _maybe(
        _keys(
            {
                **{"cells": _some(COUNT), "expected": NUMBERS, "families": _some(COUNT)},
                **{"divisions": COUNT, "deaths": COUNT},
            }
        )
    ),
    **{"times": NUMBERS, "stops": NUMBERS, "types": _maybe(TEXT), "over": _maybe(TEXT)},
    "days": _some(
        _keys(
            {
                **{"label": TEXT, "time": NUMBER, "mass": NUMBER, "ess": NUMBER},
                **_OF_TYPES,
                **{"off_manifold": NUMBER, "off_manifold_by_weight": NUMBER},
                **{"off_manifold_observed": NUMBER, "mass_interval": NUMBERS},
            },
            some=(*_OF_TYPES, "mass_interval"),
        )
    ),
    "notes": _some(TEXT),
    "caveats": _maybe(CAVEATS),
    "written": _maybe(TEXT),
}
_TIME = {
    **dict.fromkeys(("time", "gap", "place", "disagreement", "score", "noise", "right"), NUMBER),
    **dict.fromkeys(("after", "before", "first", "second", "settles"), TEXT),
    "needed": _maybe(COUNT),
}
SUGGEST = {
    **{"run": TEXT, "cells": COUNT, "explanations": _some(TEXT), "times": _some(_keys(_TIME))},
    **{"suggested": NUMBER, "told": FLAG, "middle": NUMBER},
    "growth": _maybe(
        _keys(
            {
                **{"type": TEXT, "low": NUMBER, "high": NUMBER, "difference": NUMBER},
                "range": _maybe(NUMBERS),
            }
        )
    ),
    "says": _some(TEXT),
    "caveats": _maybe(CAVEATS),
}

VALIDATE = {
    **{"run": TEXT, "clones": TEXT, "from": _some(TEXT), "terminal": TERMINAL},
    **{"cells": COUNT, "sisters": COUNT, "shared_clones": COUNT, "states": _some(TEXT)},
    "verdict": TEXT,
    "rows": _some(
        _keys(
            {
                **{"method": TEXT, "state": TEXT, "score": TEXT, "value": NUMBER, "low": NUMBER},
                **{"high": NUMBER, "gain": NUMBER, "gain_low": NUMBER, "gain_high": NUMBER},
            }
        )
    ),
    "reliability": _some(
        _keys(
            {
                **{"from": NUMBER, "to": NUMBER, "pairs": COUNT, "predicted": NUMBER},
                **{"observed": NUMBER, "low": NUMBER, "high": NUMBER},
            }
        )
    ),
}


def _info() -> dict[str, Schema]:
    from cellam.options import Options

    growth = {
        **{"type": TEXT, "cells": COUNT, "mean": NUMBER, "low": NUMBER, "high": NUMBER},
        **{"sd": NUMBER, "growing": NUMBER},
        **dict.fromkeys(ENDS, NUMBER),
    }
    return {
        "run": TEXT,
        "options": _keys({name: {} for name in Options.model_fields}),  # `cellam fit --help`
        **TIMES,
        "cells": _named(COUNT),
        "space": _keys(
            {
                **{"representation": _maybe(TEXT), "genes": COUNT, "components": COUNT},
                "whitened": FLAG,
            }
        ),
        "population": _maybe(SHARES),
        "choice": _keys(
            {
                **{"path": _PATH, "curvature": NUMBER, "prior": NUMBER, "clones": SHARES},
                "velocity": NUMBER,
                **{"reasons": _named(_REASON), "open_paths": _some(_PATH)},
            }
        ),
        "chosen": _some(TEXT),
        "motion": _keys({"landscape": NUMBER, "circular": NUMBER}),
        "growth": _keys(
            {
                **{"relative": FLAG, "types": _maybe(TEXT), "unannotated": _maybe(COUNT)},
                "by_type": _some(_keys(growth, some=ENDS)),
                **{"over": _maybe(TEXT), "says": _maybe(TEXT)},
            }
        ),
        "provenance": _keys(
            {
                **{"cellam": TEXT, "python": TEXT, "platform": TEXT, "packages": _named(TEXT)},
                "command": _maybe(TEXT),
                "data": _keys(
                    {
                        **{"path": _maybe(TEXT), "digest": TEXT, "names": TEXT},
                        **{"cells": COUNT, "kind": _maybe(TEXT)},
                    }
                ),
                **{"seed": COUNT, "device": TEXT, "threads": _maybe(COUNT)},
                **{"seconds": NUMBER, "finished": TEXT},
            }
        ),
    }


def _fit() -> dict[str, Schema]:
    return {
        **_info(),
        "notes": _some(TEXT),
        "division": _maybe(_keys({"correlation": NUMBER, "genes": COUNT, "cells": COUNT})),
        "caveats": CAVEATS,
        "report": _maybe(TEXT),
    }


SCHEMAS: dict[str, Callable[[], dict[str, Schema]]] = {
    "check": lambda: CHECK,
    "compare": lambda: COMPARE,
    "drivers": lambda: DRIVERS,
    "eval": lambda: EVAL,
    "fates": lambda: FATES,
    "fit": _fit,
    "info": _info,
    "jacobian": lambda: JACOBIAN,
    "perturb": lambda: PERTURB,
    "simulate": lambda: SIMULATE,
    "validate": lambda: VALIDATE,
    "suggest": lambda: SUGGEST,
}


def schema(command: str) -> Schema:
    """The schema of what a command prints with --json; the command is one of `SCHEMAS`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"cellam {command} --json",
        "$comment": f"cellam {__version__}",
        **_keys(SCHEMAS[command]()),
    }
