"""Worker processes: ordered results, a bounded number under way, and a death that is reported."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from vqtool.errors import DataError
from vqtool.preprocessing.pool import map_ordered, process_pool


@dataclass(frozen=True)
class Number:
    value: int

    @property
    def name(self) -> str:
        return f"task{self.value}"


def square(task: Number) -> int:
    return task.value**2


def square_or_die(task: Number) -> int:
    if task.value == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return task.value**2


def test_results_come_in_the_order_of_the_tasks() -> None:
    with process_pool(2) as executor:
        tasks = [Number(value) for value in range(20)]
        assert list(map_ordered(executor, square, tasks, in_flight=5)) == [value**2 for value in range(20)]


def test_no_more_tasks_are_taken_than_may_be_in_flight() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[Number]:
        for value in range(100):
            taken.append(value)
            yield Number(value)

    with ThreadPoolExecutor(2) as executor:
        results = map_ordered(executor, square, tasks(), in_flight=4)
        for done in range(1, 20):
            next(results)
            assert len(taken) == done + 3


def test_a_worker_that_dies_is_reported_with_what_it_may_have_read() -> None:
    with process_pool(2) as executor, pytest.raises(DataError, match=r"a worker process died .*task3.*--workers"):
        list(map_ordered(executor, square_or_die, [Number(value) for value in range(20)], in_flight=4))
