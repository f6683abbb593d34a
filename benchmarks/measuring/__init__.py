"""Timing several ways of doing one thing side by side, and reporting it with the machine and the date."""

import os
import platform
import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from measuring.workers import Workers

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Timing:
    """Wall and user + system CPU seconds of every repeat of a case."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    worker_mebibytes: float = 0.0
    """Peak resident memory of the largest worker process."""

    @property
    def wall_seconds(self) -> float:
        """Median."""
        return statistics.median(self.wall)

    @property
    def cpu_seconds(self) -> float:
        """Median."""
        return statistics.median(self.cpu)

    @property
    def best_cpu_seconds(self) -> float:
        """Shortest: busy neighbours of a virtual machine lengthen CPU time too."""
        return min(self.cpu)


def ratio(slow: Sequence[float], quick: Sequence[float]) -> float:
    """How many times as long, repeat by repeat of an interleaved run, and of these the median.

    The two sides of a repeat follow each other, so a slow minute of a shared machine falls on both.
    """
    return statistics.median(one / other for one, other in zip(slow, quick, strict=True))


def interleave(cases: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Run all cases in turn, `repeats` times, so that a busy minute of the machine falls on all of them."""
    timings = {name: Timing() for name in cases}
    for name, case in _in_turn(cases, repeats):
        wall, cpu = time.perf_counter(), _cpu_seconds()
        case()
        timings[name].wall.append(time.perf_counter() - wall)
        timings[name].cpu.append(_cpu_seconds() - cpu)
    return timings


def watch(cases: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """As `interleave`, with the CPU time and memory of worker processes, which lengthens wall times."""
    timings = {name: Timing() for name in cases}
    for name, case in _in_turn(cases, repeats):
        timing, wall, cpu = timings[name], time.perf_counter(), _cpu_seconds()
        with Workers() as workers:
            case()
        timing.wall.append(time.perf_counter() - wall)
        timing.cpu.append(_cpu_seconds() - cpu + workers.cpu_seconds)
        timing.worker_mebibytes = max(timing.worker_mebibytes, workers.peak_mebibytes)
    return timings


def _in_turn(cases: Mapping[str, Callable[[], object]], repeats: int) -> Iterator[tuple[str, Callable[[], object]]]:
    for repeat in range(repeats):
        yield from cases.items()
        if sys.stderr.isatty():
            print(f"\rrepeat {repeat + 1} of {repeats} ", end="", file=sys.stderr)


def _cpu_seconds() -> float:
    """Of this process and of its ended children (the reference's ffmpeg)."""
    return time.process_time() + sum(os.times()[2:4])


@dataclass(frozen=True)
class Target:
    """What was promised: `measured` is to be at least (or, with `at_most`, at most) `wanted`."""

    promise: str
    wanted: float
    measured: float
    unit: str = "x"
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    def row(self) -> list[str]:
        """For a table."""
        bound = "at most" if self.at_most else "at least"
        return [
            self.promise,
            f"{bound} {self.wanted:g} {self.unit}",
            f"{self.measured:.3g} {self.unit}",
            "yes" if self.met else "NO",
        ]


def arguments(description: str | None, repeats: int) -> Namespace:
    """`--data`, `--repeats` and `--output` from the command line."""
    parser = ArgumentParser(description=description)
    default = os.environ.get("VQTOOL_TEST_DATA", REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds robonet_sim/hdf5")
    parser.add_argument("--repeats", type=int, default=repeats, help="how often every case is measured")
    parser.add_argument("--output", action="store_true", help="write benchmarks/results/DATE-NAME.md too")
    return parser.parse_args()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is also readable as it is."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def report(name: str, sections: Sequence[str], targets: Sequence[Target], write: bool, command: str = "") -> int:
    """Print everything, write it where wanted; the exit status: 1 where a target was missed."""
    promised = table(["target", "wanted", "measured", "met"], [target.row() for target in targets])
    command = command or f"python benchmarks/{name}.py"
    text = "\n\n".join([f"# {name}, {datetime.now(UTC):%Y-%m-%d}", f"`{command}` on {machine()}", *sections, promised])
    print(text)
    if write:
        file = REPOSITORY / "benchmarks" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-{name}.md"
        file.write_text(text + "\n", encoding="utf-8")
    return 0 if all(target.met for target in targets) else 1


def machine() -> str:
    """Processor, cores that may be used, load, Python."""
    load = Path("/proc/loadavg")
    busy = f", load average {load.read_text().split()[0]} at the end" if load.exists() else ""
    return f"{_processor()}, {len(os.sched_getaffinity(0))} cores{busy}, Python {platform.python_version()}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
