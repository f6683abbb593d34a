"""What the charts draw: one growing series per split and metric name."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.columns import Columns, Floats, Integers

MAX_SERIES = 400
"""A damaged or foreign log may name a new metric every line; beyond this many, new names are not kept."""


class Series:
    """Values over steps: ascending steps, each once; the value written last wins where a step was written twice.

    Earlier parts are put in front when somebody asks for the values: a long log comes in many of them.
    """

    def __init__(self) -> None:
        self._capacity = 256
        self._length = 0
        self._earlier: list[tuple[Integers, Floats, Floats]] = []
        self._step = np.empty(self._capacity, np.int64)
        self._time = np.empty(self._capacity)
        self._value = np.empty(self._capacity)
        self.version = 0

    def __len__(self) -> int:
        return self._length + sum(len(step) for step, _, _ in self._earlier)

    @property
    def step(self) -> Integers:
        """Steps (N,); a view that stays as it is when the series grows."""
        self._join()
        return self._step[: self._length]

    @property
    def time(self) -> Floats:
        """Unix seconds (N,), NaN where unknown."""
        self._join()
        return self._time[: self._length]

    @property
    def value(self) -> Floats:
        """Values (N,), NaN where not a number."""
        self._join()
        return self._value[: self._length]

    @property
    def last(self) -> tuple[int, float] | None:
        """The last step and its value, or None."""
        end = self._length - 1
        return (int(self._step[end]), float(self._value[end])) if self._length else None

    @property
    def first(self) -> tuple[int, float] | None:
        """The first step and its unix seconds, NaN where unknown; or None. It joins nothing."""
        steps, times = self._earlier[-1][:2] if self._earlier else (self._step[: self._length], self._time)
        return (int(steps[0]), float(times[0])) if len(steps) else None

    def newest(self, number: int) -> tuple[Integers, Floats]:
        """Steps and values of at most so many of the last points, without joining what was read before them."""
        part = np.s_[max(0, self._length - number) : self._length]
        return self._step[part], self._value[part]

    def append(self, step: Integers, time: Floats, value: Floats) -> None:
        """Add values; steps that do not ascend are merged in."""
        if not len(step):
            return
        self._join()
        ascending = (not self._length or step[0] > self._step[self._length - 1]) and _ascends(step)
        if ascending:
            self._write(step, time, value)
        else:
            self._merge(step, time, value)
        self.version += 1

    def prepend(self, step: Integers, time: Floats, value: Floats) -> None:
        """Add values that were written before all that are known."""
        if not len(step):
            return
        first = self._earlier[-1][0][0] if self._earlier else self._step[0]
        if self._length and step[-1] < first and _ascends(step):
            self._earlier.append((step, time, value))
        else:
            known = self.step, self.time, self.value
            self._replace(step[:0], time[:0], value[:0])
            self.append(step, time, value)
            self.append(*known)
        self.version += 1

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the values where `mask` (N,) is false."""
        if not mask.all():
            self._replace(self.step[mask], self.time[mask], self.value[mask])
            self.version += 1

    def _join(self) -> None:
        """Put the earlier parts in front."""
        if self._earlier:
            known = (array[: self._length] for array in (self._step, self._time, self._value))
            parts = [*reversed(self._earlier), tuple(known)]
            self._earlier = []
            self._step, self._time, self._value = map(np.concatenate, zip(*parts, strict=True))
            self._length = self._capacity = len(self._step)

    def _write(self, step: Integers, time: Floats, value: Floats) -> None:
        end = self._length + len(step)
        if end > self._capacity:
            self._capacity = max(end, 2 * self._capacity)
            self._replace(self.step, self.time, self.value)
        self._step[self._length : end], self._time[self._length : end] = step, time
        self._value[self._length : end] = value
        self._length = end

    def _merge(self, step: Integers, time: Floats, value: Floats) -> None:
        steps, times = np.concatenate([self.step, step]), np.concatenate([self.time, time])
        values = np.concatenate([self.value, value])
        order = np.lexsort((np.nan_to_num(times), steps))
        last_of_step = np.append(np.diff(steps[order]) > 0, True)
        order = order[last_of_step]
        self._replace(steps[order], times[order], values[order])

    def _replace(self, step: Integers, time: Floats, value: Floats) -> None:
        """New arrays, so that views handed out earlier keep their content."""
        self._length = len(step)
        self._capacity = max(self._capacity, self._length)
        old = (step, time, value)
        self._step, self._time = np.empty(self._capacity, np.int64), np.empty(self._capacity)
        self._value = np.empty(self._capacity)
        for target, source in zip((self._step, self._time, self._value), old, strict=True):
            target[: self._length] = source


@dataclass(frozen=True)
class Resume:
    """A continuation of the run: what had been logged beyond `step` before `time` is a future that was given up."""

    step: int
    time: float


class MetricStore:
    """The series of a run, by split and metric name."""

    def __init__(self, resumes: Iterable[Resume] = ()) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self.resumes = list(resumes)
        self.num_refused = 0

    def get(self, split: str, name: str) -> Series | None:
        """A series, or None."""
        return self._series.get((split, name))

    def items(self) -> list[tuple[tuple[str, str], Series]]:
        """((split, name), series) of every series, in the order they came."""
        return list(self._series.items())

    def latest(self, split: str, name: str) -> float | None:
        """The value of the last step of a series, or None."""
        series = self.get(split, name)
        return series.last[1] if series is not None and series.last else None

    def append(self, columns: Columns, earlier: bool = False) -> None:
        """Add the columns to their series; `earlier` ones were written before all that are known."""
        alive = self._alive(columns.step, columns.time)
        for name, values in columns.values.items():
            series = self._series.get((columns.split, name))
            if series is None:
                if len(self._series) >= MAX_SERIES:
                    self.num_refused += 1
                    continue
                series = self._series[columns.split, name] = Series()
            add = series.prepend if earlier else series.append
            if alive is None:
                add(columns.step, columns.time, values)
            else:
                add(columns.step[alive], columns.time[alive], values[alive])

    def resume(self, resume: Resume) -> None:
        """Note a continuation, and drop the future that it gave up, in whatever order the two files are read."""
        self.resumes.append(resume)
        for series in self._series.values():
            series.keep(_before(resume, series.step, series.time))

    def first_time(self) -> float | None:
        """Unix seconds of the earliest value, or None."""
        times = [series.first[1] for series in self._series.values() if series.first]
        return min((time for time in times if np.isfinite(time)), default=None)

    def _alive(self, step: Integers, time: Floats) -> NDArray[np.bool_] | None:
        if not self.resumes:
            return None
        alive = np.ones(len(step), np.bool_)
        for resume in self.resumes:
            alive &= _before(resume, step, time)
        return alive


def _ascends(step: Integers) -> bool:
    return bool((step[1:] > step[:-1]).all())


def _before(resume: Resume, step: Integers, time: Floats) -> NDArray[np.bool_]:
    return ~((step > resume.step) & (time < resume.time))
