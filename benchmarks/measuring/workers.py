"""What the worker processes of a pool use, read from /proc while they run."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from vqtool.preprocessing.pool import process_pool

INTERVAL_SECONDS = 0.05
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


class Workers:
    """Watches grandchildren of this process (a fork server starts the workers) from enter to exit."""

    def __init__(self) -> None:
        self._cpu: dict[int, float] = {}
        self._peaks: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all workers up to the last look at them."""
        return sum(self._cpu.values())

    @property
    def peak_mebibytes(self) -> float:
        """Peak resident memory of the largest worker."""
        return max(self._peaks.values(), default=0.0)

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            for child in _children(os.getpid()):
                for worker in _children(child):
                    self._look(worker)

    def _look(self, pid: int) -> None:
        try:
            times = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except (OSError, IndexError):
            return  # it has just ended
        self._cpu[pid] = (int(times[11]) + int(times[12])) * TICK_SECONDS
        peak = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
        self._peaks[pid] = max(peak, default=0) / 1024


def _children(pid: int) -> list[int]:
    try:
        lists = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(number) for numbers in lists for number in numbers.split()]


def run_in_worker(function: Callable[[Path], None], folder: Path) -> None:
    """Call `function` in one worker process like those of preprocessing."""
    with process_pool(1) as executor:
        executor.submit(function, folder).result()
