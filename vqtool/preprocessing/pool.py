"""Worker processes: results in the order of the tasks, few in flight, none left behind, none trusted to survive."""

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Literal, Protocol, TypeVar

from vqtool.core.memory import keep_freed_memory
from vqtool.errors import DataError

logger = logging.getLogger(__name__)

Death = Literal["crashed", "timed out"]


class Named(Protocol):
    """A task that a message can point at."""

    @property
    def name(self) -> str:
        """Of the trajectory."""


Task = TypeVar("Task", bound=Named)
Result = TypeVar("Result")


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(num_workers: int) -> ProcessPoolExecutor:
    """Worker processes forked from a clean server process, so that threads of this one do no harm."""
    return ProcessPoolExecutor(num_workers, mp_context=_context(), initializer=_start_worker)


def within(seconds: float, function: Callable[[Task], Result], task: Task) -> Result:
    """`function(task)` in a worker process, which ends after `seconds` even where a decoder hangs outside of Python."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return function(task)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def map_ordered(
    start_executor: Callable[[], Executor],
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    in_flight: int,
    give_up: Callable[[Task, Death], Result],
) -> Iterator[Result]:
    """`function` of each task in the order of the tasks, at most `in_flight` of them submitted and not yet taken.

    When a worker process dies, the tasks under way are repeated, each alone in a process of its own; what kills that
    one too has the result of `give_up`. So the results are the same with any number of workers.
    """
    queue = iter(tasks)
    pending: deque[tuple[Task, Future[Result]]] = deque()
    executor = start_executor()
    try:
        while True:
            while len(pending) < in_flight and (task := next(queue, None)) is not None:
                pending.append((task, _submit(executor, function, task)))
            if not pending:
                return
            try:
                result = pending[0][1].result()
            except BrokenExecutor:
                _end_broken(executor)
                while pending:
                    yield _settle(*pending.popleft(), function, give_up)
                executor = start_executor()
                continue
            pending.popleft()
            yield result
    finally:
        for _, future in pending:
            future.cancel()
        executor.shutdown(cancel_futures=True)


def _end_broken(executor: Executor) -> None:
    """Shut down an executor that lost a worker.

    A worker that was being started while its pool broke is never told to end, and `shutdown` would wait for it forever
    (seen with CPython 3.11), so all are killed first.
    """
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        process.kill()
    executor.shutdown()


def run_alone(function: Callable[[Task], Result], task: Task, give_up: Callable[[Task, Death], Result]) -> Result:
    """`function(task)` in a process that does nothing else; where that dies, the result of `give_up`.

    Raises:
        DataError: the process died before it came to the task, so that no task is to blame.
    """
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, task), daemon=True)
    process.start()
    sender.close()
    started = False
    try:
        started = receiver.recv()
        result: Result = receiver.recv()
    except (EOFError, OSError) as error:
        process.join()
        if not started:
            raise DataError(
                f"worker processes cannot start (exit code {process.exitcode}): free memory or set --workers lower; "
                "a script that calls preprocess does so below if __name__ == '__main__'"
            ) from error
        death: Death = "timed out" if process.exitcode == -signal.SIGALRM else "crashed"
        logger.info("%s: the process that read it ended with code %s", task.name, process.exitcode)
        return give_up(task, death)
    finally:
        receiver.close()
        process.kill()
        process.join()
    return result


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vqtool.preprocessing.work", "vqtool.data.sources.robonet"])
    return context


def _submit(executor: Executor, function: Callable[[Task], Result], task: Task) -> Future[Result]:
    try:
        return executor.submit(function, task)
    except BrokenExecutor as error:
        broken: Future[Result] = Future()
        broken.set_exception(error)
        return broken


def _settle(
    task: Task, future: Future[Result], function: Callable[[Task], Result], give_up: Callable[[Task, Death], Result]
) -> Result:
    """The result that came before the pool broke, or that of another try."""
    try:
        return future.result()
    except BrokenExecutor:
        return run_alone(function, task, give_up)


def _answer(sender: Connection, function: Callable[[Task], Result], task: Task) -> None:
    _start_worker()
    sender.send(True)
    sender.send(function(task))


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, end when it ends however it ends, and keep freed frames for the next file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
