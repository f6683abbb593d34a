"""A Dask cluster as an executor like any other: the same tasks, on the workers of a scheduler."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from vqtool.errors import DataError

CONNECT_SECONDS = 10.0
WORKERS_SECONDS = 60.0
"""How long to wait for the first worker, which a batch system may start after the scheduler."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class DaskExecutor(Executor):
    """Tasks on the workers that a `distributed.Client` knows; leaves the client open."""

    def __init__(self, client: Any) -> None:
        # Not pure: a task run again must read its file again, not find the result of before.
        self._executor = client.get_executor(pure=False)
        self.num_workers = max(sum(client.nthreads().values()), 1)
        """Tasks that the cluster works on at once, as it is now."""

    def submit(
        self, function: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Run `function(*args, **kwargs)` on some worker."""
        future: Future[Result] = self._executor.submit(function, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; wait for those under way, or cancel them."""
        self._executor.shutdown(wait=wait and not cancel_futures)


@contextmanager
def dask_executor(
    scheduler: str, connect_seconds: float = CONNECT_SECONDS, workers_seconds: float = WORKERS_SECONDS
) -> Iterator[DaskExecutor]:
    """An executor on the cluster whose scheduler is at `scheduler`, such as `tcp://host:8786`; left, not ended, after.

    Tasks and results are pickled: use a cluster that is your own.

    Raises:
        DataError: the package is missing, no scheduler answers there, it has no worker, or, inside the `with`, workers
            died of a task again and again or the scheduler went away.
    """
    client = _connect(scheduler, connect_seconds, workers_seconds)
    from distributed import KilledWorker

    try:
        yield DaskExecutor(client)
    except KilledWorker as error:
        raise DataError(
            f"workers of the Dask cluster at {scheduler} died: {error}; their logs say why, and the same command "
            "continues when it is mended"
        ) from error
    except CancelledError as error:
        raise DataError(f"the Dask scheduler at {scheduler} went away: start it and run the command again") from error
    finally:
        client.close()


def _connect(scheduler: str, connect_seconds: float, workers_seconds: float) -> Any:
    """A client of a scheduler that has a worker."""
    try:
        from distributed import Client
    except ImportError as error:
        raise DataError(
            f"--executor dask needs the package distributed ({error}): run pip install 'vqtool[cluster]'"
        ) from error
    start_client: Any = Client
    try:
        client = start_client(scheduler, timeout=connect_seconds, set_as_default=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"no Dask scheduler answers at {scheduler} ({error}): start one with dask scheduler, and give the "
            "address it prints with --scheduler"
        ) from error
    try:
        client.wait_for_workers(1, timeout=workers_seconds)
    except TimeoutError as error:
        client.close()
        raise DataError(
            f"the Dask scheduler at {scheduler} has had no worker for {workers_seconds:g} s: start some with "
            f"dask worker {scheduler}"
        ) from error
    return client
