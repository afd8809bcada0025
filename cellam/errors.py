"""What can go wrong, by whose fault, and what to type instead.

Every error that a user can cause is a `CellamError` with a message (what was found)
and a hint (what to do). Its class decides the exit code of the command line.
"""

from __future__ import annotations


class CellamError(Exception):
    """Base of all errors that are not bugs of cellam.

    Parameters
    ----------
    message : str
        What was found, with the file, the column or key, the value and the number of cells.
    hint : str
        What to type instead; empty if there is nothing to say.
    """

    exit_code: int = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class DataError(CellamError):
    """The data are not what the command needs."""

    exit_code = 1


class ConfigError(CellamError):
    """An option, or a combination of options, makes no sense."""

    exit_code = 2


class TrainingError(CellamError):
    """The fit failed: it diverged, or its equations could not be solved."""

    exit_code = 3


class OutputError(CellamError):
    """A file or folder could not be read or written."""

    exit_code = 4


class RunError(CellamError):
    """A run directory is missing or damaged."""

    exit_code = 4


class RunInUse(RunError):
    """Another process is writing the run."""

    exit_code = 5


class Stopped(CellamError):
    """A fit stopped because it was asked to, at a place from which it can go on.

    Parameters
    ----------
    signal : int
        What asked it.
    """

    def __init__(self, signal: int) -> None:
        super().__init__("The fit was stopped.", "Resume with `resume=True`.")
        self.signal = signal
        self.exit_code = 128 + signal
