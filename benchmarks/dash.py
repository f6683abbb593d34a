"""How fast the dashboard opens a large run, how long a redraw takes, and what it costs while it waits.

The program runs on a pseudo-terminal as a user starts it, at 120 x 40 cells, and has its bytecode, as an installed one
does; the CPU time is that of its process. Start: from the command to the first picture. Opening: from there to the
picture whose y axis reaches the first step's value, so that all steps are in it. Redraw: four smoothed curves of 50,000
points into 120 x 30 cells, points prepared; and what one key that redraws everything costs the whole program. Idle: a
run that logs a line and its heartbeat every two seconds.
"""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measuring import REPOSITORY, Target, arguments, interleave, report, table

from vqtool.dash.plotting.curve import Curve
from vqtool.dash.plotting.plot import Axes, draw_plot
from vqtool.runs.folder import RunFolder, create_run
from vqtool.runs.jsonl import JsonlWriter

STEPS, METRICS = 50_000, 20
COLUMNS, ROWS = 120, 40
FIRST_VALUE = 8e6
FIRST_PICTURE, FULL_PICTURE = b"Charts", "M┤".encode()
PATIENCE_SECONDS = 60.0
KEYS, IDLE_SECONDS, LOG_SECONDS = 20, 30.0, 2.0
NAMES = ["loss/total", *(f"loss/part-{number}" for number in range(1, METRICS))]


class Program:
    """`vqtool dash` on a pseudo-terminal."""

    def __init__(self, run: RunFolder) -> None:
        self.started = time.perf_counter()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(REPOSITORY)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", OMP_NUM_THREADS="1")
            os.environ.update(
                XDG_STATE_HOME=str(run.path.parent), PYTHONPYCACHEPREFIX=str(run.path.parent / "bytecode")
            )
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            os.execv(sys.executable, [sys.executable, "-m", "vqtool", "dash", str(run.path)])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.output = bytearray()

    def read_until(self, wanted: bytes) -> float:
        """Wait for `wanted` on the terminal; seconds since the start."""
        while wanted not in self.output:
            if time.perf_counter() - self.started > PATIENCE_SECONDS:
                raise TimeoutError(f"the dashboard never showed {wanted.decode()}")
            if select.select([self._terminal], [], [], 1.0)[0]:
                self.output += os.read(self._terminal, 1 << 16)
        return time.perf_counter() - self.started

    def read_for(self, seconds: float) -> int:
        """Read along for a time; how many bytes came."""
        end, length = time.perf_counter() + seconds, 0
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                length += len(os.read(self._terminal, 1 << 16))
        return length

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._terminal, keys.encode())

    @property
    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGTERM)
        os.close(self._terminal)  # before it is waited for: nobody reads what it still writes
        os.waitpid(self.pid, 0)


def write_run(runs_dir: Path) -> RunFolder:
    """A run of 20 metrics over 50,000 steps; the first loss is far above the others."""
    run = create_run(runs_dir, "large", "", {"total_steps": 2 * STEPS, "device": "cpu", "precision": "fp32"})
    values = np.random.default_rng(0).random((STEPS, METRICS))
    values[0, 0] = FIRST_VALUE
    with JsonlWriter(run.metrics_file) as metrics:
        for step, row in enumerate(values.tolist(), 1):
            line = {"step": step, "time": 1.7e9 + step, "split": "train"}
            metrics.write(line | dict(zip(NAMES, row, strict=True)))
    return run


@contextlib.contextmanager
def training(run: RunFolder) -> Iterator[None]:
    """Something that logs as a trainer does, in a thread of this process."""
    ended = threading.Event()

    def train() -> None:
        step = STEPS
        with JsonlWriter(run.metrics_file) as metrics:
            while not ended.wait(LOG_SECONDS):
                step += 1
                line = {"step": step, "time": time.time(), "split": "train"}
                metrics.write(line | dict.fromkeys(NAMES, 0.5))
                run.update_status(step=step, heartbeat=time.time())

    thread = threading.Thread(target=train)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def open_run(run: RunFolder) -> tuple[float, float, float, float]:
    """Seconds from the start to the first picture, from there to the full one, and the CPU seconds of both."""
    program = Program(run)
    up = program.read_until(FIRST_PICTURE)
    before = program.cpu_seconds
    full = program.read_until(FULL_PICTURE)
    cpu = program.cpu_seconds - before
    program.end()
    return up, full - up, before, cpu


def cost_of_a_key(run: RunFolder) -> float:
    """CPU seconds of the whole program for one step of zooming, all charts of the page redrawn."""
    program = Program(run)
    program.read_until(FULL_PICTURE)
    program.read_for(2.0)
    before = program.cpu_seconds
    for _ in range(KEYS // 2):
        for key in "+-":
            program.press(key)
            program.read_for(0.15)
    program.read_for(1.0)
    cost = (program.cpu_seconds - before) / KEYS
    program.end()
    return cost


def idle_share(run: RunFolder) -> float:
    """CPU time over wall time while a live run is watched."""
    with training(run):
        program = Program(run)
        program.read_until(FULL_PICTURE)
        program.read_for(3.0)
        before, began = program.cpu_seconds, time.perf_counter()
        program.read_for(IDLE_SECONDS)
        share = (program.cpu_seconds - before) / (time.perf_counter() - began)
        program.end()
    return share


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__, repeats=12)
    x, rng = np.arange(STEPS, dtype=np.float64), np.random.default_rng(0)
    curves = [Curve(x, rng.standard_normal(STEPS).cumsum(), decay=0.99) for _ in range(4)]
    drawn = interleave({"redraw": lambda: draw_plot(curves, 120, 30, Axes())}, 50 * options.repeats)["redraw"]
    with tempfile.TemporaryDirectory() as name:
        run = write_run(Path(name))
        mebibytes = run.metrics_file.stat().st_size / 2**20
        opened = [open_run(run) for _ in range(options.repeats + 1)][1:]
        key, idle = cost_of_a_key(run), idle_share(run)
    up, full, up_cpu, cpu = (min(times) for times in zip(*opened, strict=True))
    rows = [
        ["start to first picture", f"{up:.2f} s", f"{up_cpu:.2f} s"],
        ["first picture to full chart", f"{full:.2f} s", f"{cpu:.2f} s"],
        ["both", f"{min(first + second for first, second, *_ in opened):.2f} s", f"{up_cpu + cpu:.2f} s"],
        ["redraw, 4 x 50,000 points", f"{drawn.wall_seconds * 1e3:.1f} ms", f"{drawn.best_cpu_seconds * 1e3:.1f} ms"],
        [f"a key that redraws the page, {METRICS} metrics", "", f"{key * 1e3:.0f} ms"],
        ["idle on a live run", "", f"{idle * 100:.2f} %"],
    ]
    note = (
        f"The log has {mebibytes:.0f} MiB. Start and opening: the best of {options.repeats}; redraw: wall median, CPU "
        "best. The target of the start is held against wall time, the others against CPU time, which neighbours of the "
        "machine disturb least."
    )
    targets = [
        Target("start to first picture, wall", 1, up, "s", at_most=True),
        Target("first picture to full chart", 0.5, cpu, "s", at_most=True),
        Target("redraw, 4 x 50,000 points in 120 x 30", 10, drawn.best_cpu_seconds * 1e3, "ms", at_most=True),
        Target("CPU while idle on a live run", 1, idle * 100, "%", at_most=True),
    ]
    sections = [str(__doc__).split("\n\n")[1].strip(), table(["case", "wall", "CPU"], rows), note]
    return report("dash", sections, targets, options.output)


if __name__ == "__main__":
    sys.exit(main())
