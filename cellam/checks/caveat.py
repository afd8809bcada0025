"""Caveat: one reason to doubt a fit, with what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caveat:
    """One reason for doubt.

    Parameters
    ----------
    name : str
        Of the rule that found it, e.g. "batch", "cells", "weights", "growth", "off data".
    finding : str
        What was found, with its numbers.
    advice : str
        What can be done.
    """

    name: str
    finding: str
    advice: str
