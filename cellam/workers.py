"""Workers: independent jobs side by side, in processes of their own.

A job runs on one thread wherever it runs, so its result has the same bytes with any number
of workers.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from cellam.errors import TrainingError

Item = TypeVar("Item")
Result = TypeVar("Result")

_shared: Any = None  # what all jobs of a worker share; sent once, not with every job


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parallel_map(
    job: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item], *, workers: int
) -> Iterator[tuple[int, Result]]:
    """Run `job(shared, item)` for every item; yield its number and result as each is done.

    Parameters
    ----------
    job : callable
        A function of a module, as it has to be found by name in another process.
    shared : object
        The same for all items.
    workers : int
        Processes; with one, or one item, everything runs in this process.

    Raises
    ------
    TrainingError
        If a worker is killed, as the system does when memory runs out.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        for k, item in enumerate(items):
            with one_thread():
                result = job(shared, item)
            yield k, result
        return
    earlier = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(shared,)
    )
    try:
        waiting = {pool.submit(_work, job, item): k for k, item in enumerate(items)}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BrokenProcessPool:
        raise TrainingError(
            "A worker process was killed, perhaps because memory ran out.",
            "Try again with `workers=1`.",
        ) from None
    except BaseException:
        for child in set(multiprocessing.active_children()) - earlier:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(shared: Any) -> None:
    global _shared
    _shared = shared
    # Ctrl-C reaches the whole group of processes; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: Callable[[Any, Item], Result], item: Item) -> Result:
    with one_thread():
        return job(_shared, item)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch and the linear algebra of numpy to one thread."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
