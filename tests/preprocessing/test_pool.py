"""Worker processes: ordered results, a bounded number under way, and deaths that cost one task each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from pool_tasks import Number, Once, die_once, note, square, square_or_die, square_or_hang

from vqtool.preprocessing.pool import map_ordered, process_pool, within

DEATHS = (-1, -1, -1, -1)


def test_results_come_in_the_order_of_the_tasks() -> None:
    tasks = [Number(value) for value in range(20)]
    results = map_ordered(partial(process_pool, 2), square, tasks, in_flight=5, give_up=note)
    assert list(results) == [value**2 for value in range(20)]


def test_no_more_tasks_are_taken_than_may_be_in_flight() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[Number]:
        for value in range(100):
            taken.append(value)
            yield Number(value)

    results = map_ordered(partial(ThreadPoolExecutor, 2), square, tasks(), in_flight=4, give_up=note)
    for done in range(1, 20):
        next(results)
        assert len(taken) == done + 3


@pytest.mark.parametrize("num_workers", [1, 3])
def test_only_the_task_that_kills_its_worker_is_given_up(num_workers: int) -> None:
    tasks = [Number(value) for value in range(20)]
    results = map_ordered(partial(process_pool, num_workers), square_or_die, tasks, in_flight=6, give_up=note)
    expected = [value**2 for value in range(20)]
    expected[3], expected[11], expected[12], expected[19] = DEATHS
    assert list(results) == expected


def test_a_task_that_dies_only_beside_others_has_its_result(tmp_path: Path) -> None:
    """As when memory runs out: the second try, alone, succeeds."""
    tasks = [Once(value, str(tmp_path)) for value in range(8)]
    results = map_ordered(partial(process_pool, 2), die_once, tasks, in_flight=6, give_up=note)
    assert list(results) == list(range(8))


def test_what_hangs_outside_of_python_is_ended_and_given_up() -> None:
    tasks = [Number(value) for value in range(6)]
    function = partial(within, 0.3, square_or_hang)
    results = map_ordered(partial(process_pool, 2), function, tasks, in_flight=6, give_up=note)
    assert list(results) == [0, 1, -2, 9, 16, 25]


def test_workers_that_cannot_even_start_are_an_error_and_no_fault_of_a_file(small_folder: Path, tmp_path: Path) -> None:
    """A script without the usual guard: every worker runs it again and fails."""
    script = tmp_path / "script.py"
    script.write_text(
        "from vqtool.core.config import PreprocessConfig\n"
        "from vqtool.preprocessing.pipeline import preprocess\n"
        f"paths = {{'input': {str(small_folder)!r}, 'output': {str(tmp_path / 'store')!r}}}\n"
        "preprocess(PreprocessConfig(**paths, val=1, test=1))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, env=environment)
    assert "DataError: worker processes cannot start" in result.stderr
    assert not (tmp_path / "store" / "dataset.json").exists()
