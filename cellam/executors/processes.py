"""Processes: workers of this machine, each with a Python of its own, which stay for the next jobs.

What the jobs have in common goes to each worker once. A worker that is killed, as the system does
when memory runs out, is started again with its job; the third time that a job loses its worker is
an error.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from cellam.errors import TrainingError
from cellam.executors.executor import Item, Job, Result, on_one_thread

AGAIN = 3  # workers that one job may lose


class Processes:
    """Up to n processes, started when there are jobs."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._workers: list[_Worker] = []

    def each(
        self, job: Job[Item, Result], shared: Any, items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """As `Executor.each`."""
        number = min(self.n, len(items))
        self._workers += [_Worker.start() for _ in range(number - len(self._workers))]
        common = _packed((job, shared))
        idle = self._workers[:number]
        waiting, lost = deque(range(len(items))), Counter[int]()
        busy: dict[Connection, tuple[_Worker, int]] = {}
        told = list(idle)
        for worker in told:
            worker.send_bytes(common)
        try:
            while waiting or busy:
                while idle and waiting:
                    worker, k = idle.pop(), waiting.popleft()
                    busy[worker.connection] = worker, k
                    worker.send((items[k],))
                ready = wait(list(busy))
                for connection in [c for c in busy if c in ready]:
                    worker, k = busy.pop(connection)
                    try:
                        done, result = worker.connection.recv()
                    except (EOFError, ConnectionError):
                        self._drop(worker)
                        told.remove(worker)
                        lost[k] += 1
                        if lost[k] == AGAIN:
                            raise _killed(self.n) from None
                        waiting.appendleft(k)
                        worker = _Worker.start()
                        worker.send_bytes(common)
                        self._workers.append(worker)
                        told.append(worker)
                    else:
                        if not done:
                            raise result
                        yield k, result
                    idle.append(worker)
        finally:
            for worker, _ in busy.values():  # nobody waits for what they do
                self._drop(worker)
                told.remove(worker)
            for worker in told:
                worker.send(None)  # what the jobs had in common is let go

    def _drop(self, worker: _Worker) -> None:
        worker.kill()
        self._workers.remove(worker)

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            worker.kill()
        self._workers = []


@dataclass(frozen=True, eq=False)
class _Worker:
    """A process, and the end of the pipe to it."""

    process: BaseProcess
    connection: Connection

    @staticmethod
    def start() -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there,), daemon=True)
        process.start()
        there.close()  # or its end would not be seen
        return _Worker(process, here)

    def send(self, message: Any) -> None:
        self.send_bytes(_packed(message))

    def send_bytes(self, message: Any) -> None:
        """Send a message. If it has died, that is found when its answer is waited for."""
        with suppress(ConnectionError):
            self.connection.send_bytes(message)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection) -> None:
    """What a worker does: take what jobs have in common, then items, and give back results."""
    # Ctrl-C reaches the whole group of processes; the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):  # the parent has let go of it
        while True:
            _work(connection, *connection.recv())


def _work(connection: Connection, job: Job[Any, Any], shared: Any) -> None:
    """Do jobs that have something in common, until there are no more."""
    while (message := connection.recv()) is not None:
        try:
            answer = True, on_one_thread(job, shared, message[0])
        except Exception as error:  # it is the parent's to handle
            answer = False, error
        connection.send_bytes(_packed(answer))


def _packed(message: Any) -> bytes:
    """A message for `Connection.recv`, which can be sent to several.

    `Connection.send` would put tensors into shared memory, of which a container has little. It goes
    over a pipe between two processes of ours, as `Connection.send` does it, and never into a file.
    """
    import pickle  # noqa: TID251

    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _killed(n: int) -> TrainingError:
    return TrainingError(
        f"The worker process of a job was killed {AGAIN} times, perhaps because memory ran out.",
        f"Try again with fewer than `workers={n}`, e.g. `workers=1`.",
    )
