"""One piece of work in a process of its own: how long it takes and how much memory it adds at its peak."""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Threads that wait for each other on a busy machine measure the others."""

Prepare = Callable[[], Callable[[], object]]
"""Makes the inputs, warms up and gives the work."""


@dataclass(frozen=True)
class Cost:
    """Seconds of wall and of user + system CPU; MiB of resident memory at the peak above what inputs took."""

    wall_seconds: float
    cpu_seconds: float
    extra_mebibytes: float


def measure_fresh(prepare: Prepare) -> Cost:
    """Run the work that `prepare` (a function of a module) gives, in a new process with one thread."""
    os.environ.update(ONE_THREAD)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (prepare,))


def _measure(prepare: Prepare) -> Cost:
    work = prepare()
    CLEAR.write_text(RESET_PEAK)
    before, wall, cpu = _mebibytes("VmRSS"), time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu, _mebibytes("VmHWM") - before)


def _mebibytes(field: str) -> float:
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(field)) / 1024
