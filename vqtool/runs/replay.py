"""A recorded run that happens again: a run folder that grows as the recorded one did, faster."""

import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.errors import RunError
from vqtool.runs.control import take_requests
from vqtool.runs.folder import RunFolder, step_folders

MAX_GAP_SECONDS = 60.0
"""Longer silences of the recording, as before a resume, are shortened to this."""
STATUS_SECONDS = 0.5
_LATER_FACTS = ("error", "reason", "best")


@dataclass(frozen=True)
class _Line:
    """A recorded line: when it was written (unix seconds, or None), and its record where it is one."""

    time: float | None
    step: int | None
    raw: bytes
    record: dict[str, Any] | None


@dataclass
class _Queue:
    """What is still to be written into a file, or linked: (seconds since the start, what), ascending."""

    items: list[tuple[float, Any]]
    done: int = 0

    def due(self, seconds: float) -> list[Any]:
        """What is due by now and was not given before."""
        start = self.done
        while self.done < len(self.items) and self.items[self.done][0] <= seconds:
            self.done += 1
        return [what for _, what in self.items[start : self.done]]


class Replay:
    """Writes `target` as the trainer of `source` wrote it, `speed` times as fast; times in it are those of the replay.

    Previews and other step files appear when the recording reached their step; the console is spread over the whole.
    Damaged lines are written as they are. Requests are answered by an event, and nothing else.
    """

    def __init__(self, source: RunFolder, target: RunFolder, speed: float, now: float | None = None) -> None:
        """Begin at `now`.

        Raises:
            RunError: no run folder, or one without a dated line.
            VqtoolError: `target` cannot be written.
        """
        self.run = target
        self._source, self._speed = source, speed
        self._recorded = source.read_status()
        metrics, events = _read_lines(source.metrics_file), _read_lines(source.events_file)
        self._clock = _Clock([*metrics, *events], speed)
        if not self._clock.has_times:
            raise RunError(f"{source.path} has nothing to replay: no line of metrics.jsonl or events.jsonl has a time")
        self._start = time.time() if now is None else now
        self._logs = {
            target.metrics_file: _Queue([*self._clock.dated(metrics)]),
            target.events_file: _Queue([*self._clock.dated(events)]),
            target.console_file: _Queue([*self._spread(_raw_lines(source.console_file))]),
        }
        folders = ((source.previews, target.previews), (source.worst, target.worst), (source.codebook, target.codebook))
        self._steps = {made: _Queue([*self._clock.steps(step_folders(folder))]) for folder, made in folders}
        self._step, self._status_due = 0, 0.0
        self._prepare()

    def advance(self, now: float) -> bool:
        """Write all that is due at `now` (unix seconds); whether there is more to come."""
        seconds = max(0.0, now - self._start)
        with explained_os_errors(self.run.path):
            for folder, queue in self._steps.items():
                for path in queue.due(seconds):
                    (folder / path.name).symlink_to(path)
            for file, queue in self._logs.items():
                self._append(file, queue.due(seconds))
            self._answer(now)
        more = seconds < self._clock.duration
        if now >= self._status_due or not more:
            self._status_due = now + STATUS_SECONDS
            self._write_status(now, more)
        return more

    def _prepare(self) -> None:
        with explained_os_errors(self.run.path):
            for folder in (*self._steps, self.run.control):
                folder.mkdir(parents=True, exist_ok=True)
            if self._source.config_file.is_file():
                shutil.copyfile(self._source.config_file, self.run.config_file)
        self._write_status(self._start, more=True)

    def _spread(self, lines: list[bytes]) -> Iterator[tuple[float, bytes]]:
        for number, line in enumerate(lines, 1):
            yield self._clock.duration * number / len(lines), line

    def _append(self, file: Path, lines: Iterable[_Line | bytes]) -> None:
        content = bytearray()
        for line in lines:
            content += self._again(line) if isinstance(line, _Line) else line
            content += b"\n"
            if isinstance(line, _Line) and line.step is not None:
                self._step = max(self._step, line.step)
        if content:
            with file.open("ab") as stream:
                stream.write(content)

    def _again(self, line: _Line) -> bytes:
        if line.record is None or line.time is None:
            return line.raw
        return orjson.dumps(line.record | {"time": self._start + self._clock.seconds(line.time)})

    def _answer(self, now: float) -> None:
        for request in take_requests(self.run):
            answer = {"step": self._step, "time": now, "kind": "request", "request": request, "answer": "only a replay"}
            with self.run.events_file.open("ab") as stream:
                stream.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))

    def _write_status(self, now: float, more: bool) -> None:
        present = {"started": self._start, "heartbeat": now, "pid": os.getpid(), "host": socket.gethostname()}
        budget = self._recorded.get("max_seconds")
        if isinstance(budget, int | float):
            present |= {"max_seconds": budget / self._speed, "seconds": now - self._start}
        if more:
            present |= {"status": "running", "step": self._step}
        elif self._recorded.get("status") == "running":
            present |= {"status": "stopped", "reason": "the recording ends here"}
        later = () if not more else _LATER_FACTS
        facts = {key: value for key, value in self._recorded.items() if key not in later}
        write_atomic(self.run.status_file, orjson.dumps(facts | present).decode() + "\n")


class _Clock:
    """From recorded times and steps to seconds since the replay began."""

    def __init__(self, lines: list[_Line], speed: float) -> None:
        times = np.unique([line.time for line in lines if line.time is not None]).astype(np.float64)
        gaps = np.minimum(np.diff(times), MAX_GAP_SECONDS)
        self._times, self._seconds = times, np.concatenate([[0.0], np.cumsum(gaps)]) / speed
        dated = sorted((line.step, line.time) for line in lines if line.step is not None and line.time is not None)
        self._step_numbers: NDArray[np.int64] = np.array([step for step, _ in dated], dtype=np.int64)
        self._step_times = [time for _, time in dated]

    @property
    def has_times(self) -> bool:
        """Whether there is anything to go by."""
        return len(self._times) > 0

    @property
    def duration(self) -> float:
        """Seconds that the replay takes."""
        return float(self._seconds[-1])

    def seconds(self, recorded: float) -> float:
        """When what was written at `recorded` (unix seconds) is written again."""
        return float(np.interp(recorded, self._times, self._seconds))

    def dated(self, lines: list[_Line]) -> Iterator[tuple[float, _Line]]:
        """Lines in their order, each no earlier than the one before; an undated one comes with the one before."""
        latest = 0.0
        for line in lines:
            latest = latest if line.time is None else max(latest, self.seconds(line.time))
            yield latest, line

    def steps(self, steps: list[tuple[int, Path]]) -> Iterator[tuple[float, Path]]:
        """Paths of steps, each when the first line of that step or a later one comes."""
        for step, path in steps:
            place = int(np.searchsorted(self._step_numbers, step))
            known = place < len(self._step_times)
            yield (self.seconds(self._step_times[place]) if known else self.duration), path.absolute()


def _raw_lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines() if file.is_file() else []


def _read_lines(file: Path) -> list[_Line]:
    return [_parse(raw) for raw in _raw_lines(file)]


def _parse(raw: bytes) -> _Line:
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError:
        record = None
    if not isinstance(record, dict):
        return _Line(None, None, raw, None)
    time, step = record.get("time"), record.get("step")
    return _Line(
        float(time) if type(time) in (int, float) and time is not None else None,
        step if type(step) is int and 0 <= step < 1 << 53 else None,
        raw,
        record,
    )
