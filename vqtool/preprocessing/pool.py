"""Worker processes: results in the order of the tasks, few in flight, none left behind."""

import ctypes
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from vqtool.errors import DataError


class Named(Protocol):
    """A task that a message can point at."""

    @property
    def name(self) -> str:
        """Of the trajectory."""


Task = TypeVar("Task", bound=Named)
Result = TypeVar("Result")

KEEP_FREED_BYTES = 1 << 28
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(num_workers: int) -> ProcessPoolExecutor:
    """Worker processes forked from a clean server process, so that threads of this one do no harm."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vqtool.preprocessing.work", "vqtool.data.sources.robonet"])
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker)


def map_ordered(
    executor: Executor, function: Callable[[Task], Result], tasks: Iterable[Task], in_flight: int
) -> Iterator[Result]:
    """`function` of each task in the order of the tasks, at most `in_flight` of them submitted and not yet taken.

    Raises:
        DataError: a worker process died; names the tasks that were under way.
    """
    pending: deque[tuple[Task, Future[Result]]] = deque()

    def take() -> Result:
        result = pending[0][1].result()
        pending.popleft()
        return result

    try:
        for task in tasks:
            pending.append((task, executor.submit(function, task)))
            if len(pending) >= in_flight:
                yield take()
        while pending:
            yield take()
    except BrokenProcessPool as error:
        raise DataError(_worker_died([task.name for task, _ in pending])) from error
    finally:
        for _, future in pending:
            future.cancel()


def _worker_died(names: list[str]) -> str:
    return (
        f"a worker process died while reading one of {', '.join(names)}: if memory ran out, set --workers lower; "
        "if it happens again with --workers 1, move the first of these files away"
    )


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, end when it ends however it ends, and keep freed frames for the next file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        # Else every file's frames are new pages to fault in, which takes longer than resizing them.
        mallopt(M_MMAP_THRESHOLD, KEEP_FREED_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEEP_FREED_BYTES)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
