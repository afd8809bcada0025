"""Cluster: the workers of a Dask scheduler, on this machine or on many.

What jobs have in common is copied to every worker once. Dask does the jobs of a worker that is lost
again elsewhere; where nobody is left who has what they share, it is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from cellam._version import __version__
from cellam.errors import ConfigError, TrainingError
from cellam.executors.executor import Item, Job, Result, on_one_thread

if TYPE_CHECKING:
    from distributed import Client

AGAIN = 3  # times that all who had what the jobs share were lost
REACHED = "10s"


class Cluster:
    """The workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
    owned : bool
        Whether to close the client at the end.
    """

    def __init__(self, client: Client, *, owned: bool) -> None:
        self.client = client
        self.owned = owned

    @staticmethod
    def at(place: str | Client) -> Cluster:
        """The cluster at an address, or of a client; its workers are asked for their cellam.

        Raises
        ------
        ConfigError
        """
        try:
            from distributed import Client
        except ImportError:
            raise ConfigError(
                "Dask is not installed, which `cluster` needs.",
                "In a clone of cellam: pip install '.[cluster]'. Or use `workers=4`.",
            ) from None
        if isinstance(place, Client):
            found = Cluster(place, owned=False)
        else:
            try:
                found = Cluster(Client(place, timeout=REACHED, set_as_default=False), owned=True)
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"No Dask scheduler answers at {place!r} ({type(error).__name__}).",
                    "Start one: dask scheduler; it prints its address, as tcp://192.0.2.1:8786.",
                ) from None
        try:
            found._check_workers()
        except BaseException:
            found.close()
            raise
        return found

    def each(
        self, job: Job[Item, Result], shared: Any, items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """As `Executor.each`."""
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        missing = set(range(len(items)))
        for _ in range(AGAIN):
            given = self.client.scatter((job, shared), broadcast=True, hash=False)
            futures = {
                self.client.submit(_work, given, items[k], pure=False, priority=-k): k
                for k in sorted(missing)
            }
            try:
                for done in as_completed(futures, loop=self.client.loop):
                    if done.status not in ("finished", "error"):  # lost with what it needed
                        continue
                    k = futures[done]
                    try:
                        result = done.result()
                    except CancelledError:  # lost since
                        continue
                    missing.discard(k)
                    done.release()
                    yield k, result
            except KilledWorker as error:
                raise TrainingError(
                    f"The workers of one job were lost again and again ({error.last_worker}).",
                    "Did they run out of memory? Give each more, or use fewer a machine.",
                ) from None
            finally:
                self.client.cancel([f for f in futures if not f.done()])
            if not missing:
                return
        raise TrainingError(
            f"All workers of the cluster were lost {AGAIN} times.", "Does it still run?"
        )

    def close(self) -> None:
        """Leave the scheduler; its workers go on."""
        if self.owned:
            self.client.close()

    def _check_workers(self) -> None:
        """Refuse a cluster without workers, or with another cellam."""
        told = self.client.scheduler_info(n_workers=-1)
        if not told["workers"]:
            raise ConfigError(
                "The Dask scheduler has no workers.",
                f"Start some, with one thread each: dask worker {told['address']}",
            )
        found = self.client.run(_version, on_error="return")
        for worker, version in sorted(found.items()):
            if version == __version__:
                continue
            has = f"cellam {version}" if isinstance(version, str) else f"no cellam ({version})"
            raise ConfigError(
                f"The worker {worker} has {has}, and this is {__version__}.",
                "Start the workers in the same environment as this command.",
            )


def _version() -> str:
    """The version of cellam, asked of a worker."""
    return __version__


def _work(given: tuple[Job[Item, Result], Any], item: Item) -> Result:
    job, shared = given
    return on_one_thread(job, shared, item)
