"""Devices: where torch computes, and with how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cellam.errors import ConfigError


def choose_device(name: str) -> str:
    """The device of that name; "auto" is a GPU where there is one.

    Raises
    ------
    ConfigError
        If torch has no such device here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[name]:
        raise ConfigError(
            f"`device={name!r}`: torch {torch.__version__} finds no such device here.",
            "Use `device='cpu'`, or install a version of torch that supports it.",
        )
    return name


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Let torch compute with n threads for a while; None keeps the number that it has.

    It is None around calls of scanpy: they start numba, which sets the number of OpenMP's threads,
    and the same fit with other threads ends in other digits.
    """
    import torch

    before = torch.get_num_threads()
    if n is not None:
        torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
