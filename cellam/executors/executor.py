"""Executor: where jobs run, and the one that a command has been told to use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cellam.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client
    from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")
Job = Callable[[Any, Item], Result]


class Executor(Protocol):
    """Whoever does jobs."""

    def each(
        self, job: Job[Item, Result], shared: Any, items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Run `job(shared, item)` for every item; yield its number and result as each is done.

        The job is a function of a module, as it has to be found by name elsewhere. It is sent
        with its item; `shared` is sent once.

        Raises
        ------
        TrainingError
            If whoever does a job is killed again and again.
        """
        ...

    def close(self) -> None:
        """Let go of whoever did the jobs."""
        ...


class Here:
    """The process that asks."""

    def each(
        self, job: Job[Item, Result], shared: Any, items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """As `Executor.each`, one after the other."""
        for k, item in enumerate(items):
            yield k, on_one_thread(job, shared, item)

    def close(self) -> None:
        """Nothing is held."""


_current: ContextVar[Executor] = ContextVar("executor", default=Here())  # noqa: B039


def as_done(
    job: Job[Item, Result], shared: Any, items: Sequence[Item]
) -> Iterator[tuple[int, Result]]:
    """Number and result of `job(shared, item)` for every item, by the current executor."""
    executor = _current.get() if len(items) > 1 else Here()
    return executor.each(job, shared, items)


def in_order(job: Job[Item, Result], shared: Any, items: Sequence[Item]) -> Iterator[Result]:
    """The same results in the order of their items, each as soon as all before it are done."""
    early: dict[int, Result] = {}
    due = 0
    for k, result in as_done(job, shared, items):
        early[k] = result
        while due in early:
            yield early.pop(due)
            due += 1


@contextmanager
def executing(workers: int | None = 1, *, cluster: str | Client | None = None) -> Iterator[None]:
    """Do the jobs of everything inside in several processes, or on a cluster.

    Parameters
    ----------
    workers : int or None
        Processes of this machine; None for one for each core. More than one start a fresh Python,
        so that a script needs ``if __name__ == "__main__":``.
    cluster : str or distributed.Client, optional
        Address of a Dask scheduler, or a client of it, whose workers have the same cellam.
        Expression that is too large for memory is read by them, from a file that all see under
        the same name; everything else is read here.

    Raises
    ------
    ConfigError
        If there is no such scheduler, its workers lack cellam, or Dask is not installed.

    Examples
    --------
    >>> import cellam
    >>> with cellam.executing(workers=2):  # doctest: +SKIP
    ...     model = cellam.fit(cells)
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"`workers={workers}` leaves no process to work.", "Use 1 or more.")
    executor = _of(workers, cluster)
    token = _current.set(executor)
    try:
        yield
    finally:
        _current.reset(token)
        executor.close()


def _of(workers: int | None, cluster: str | Client | None) -> Executor:
    if cluster is not None:
        from cellam.executors.cluster import Cluster

        return Cluster.at(cluster)
    number = cores() if workers is None else workers
    if number == 1:
        return Here()
    from cellam.executors.processes import Processes

    return Processes(number)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_one_thread(job: Job[Item, Result], shared: Any, item: Item) -> Result:
    """A job, with torch and the linear algebra of numpy held to one thread.

    Sums depend on how many threads share them, in their last digits.
    """
    # Where the module of a job does not load torch, the job does not either.
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    if torch:
        torch.set_num_threads(1)
    try:
        with _threadpools().limit(limits=1):
            return job(shared, item)
    finally:
        if torch:
            torch.set_num_threads(before)


def _threadpools() -> ThreadpoolController:
    """The libraries with threads of their own, as far as they are loaded."""
    return _found(*(name in sys.modules for name in ("scipy.linalg", "sklearn")))


@cache
def _found(*loaded: bool) -> ThreadpoolController:
    """They are looked for again where more are loaded, and only then: that takes 3 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
