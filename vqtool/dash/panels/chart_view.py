"""What all charts share: the x axis, which part of it is seen, where the cursor is; and the lines they draw."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vqtool.dash.columns import Floats
from vqtool.dash.plotting.axis import XKind
from vqtool.dash.plotting.ranges import Range
from vqtool.dash.plotting.signs import NO_SIGNS, Signs
from vqtool.dash.store import MetricStore, Series

SMALLEST_SHARE = 1e-7
"""Of the whole x axis: narrower than this it cannot be zoomed."""

DECAYS = (0.0, 0.6, 0.9, 0.97, 0.99)
SMOOTHED_SHARE = 0.04
SPLIT_ORDER = ("train", "val", "test")
RUN_LABELS = "ABCDEFGH"


@dataclass(frozen=True)
class Line:
    """A series to draw: its split, the run it is of, and the unix seconds at which that run began."""

    series: Series
    split: str
    run: int = 0
    started: float = 0.0

    def x(self, kind: XKind) -> Floats:
        """The series' places on the x axis (N,), in the order of its steps."""
        if kind == "step":
            return self.series.step.astype(np.float64)
        return self.series.time - self.started if kind == "seconds" else self.series.time

    def neighbour(self, kind: XKind, x: float, target: float) -> float:
        """The place of the point nearest to `target`, but at least the next one from `x` that way; `x` if none is."""
        places = self.x(kind)
        places = np.sort(places[np.isfinite(places)])
        beyond = places[places > x] if target > x else places[places < x][::-1]
        return float(beyond[np.argmin(np.abs(beyond - target))]) if len(beyond) else x


@dataclass(frozen=True)
class ChartView:
    """How all charts are drawn. All but `decay` and the flags is in the units of the x axis.

    `extent` holds all that there is, `window` the part that is seen (None: all of it). `hover` is where the mouse
    points, which passes for the cursor while it does.
    """

    x_kind: XKind = "step"
    wants_log_x: bool = False
    clip_outliers: bool = False
    decay: float = 0.0
    extent: Range = (0.0, 1.0)
    window: Range | None = None
    cursor: float | None = None
    hover: float | None = None
    marks: tuple[float, ...] = ()
    signs: Signs = NO_SIGNS

    @property
    def log_x(self) -> bool:
        """Whether the x axis is logarithmic; times of day never are."""
        return self.wants_log_x and self.x_kind != "clock"

    @property
    def shown(self) -> Range:
        """The part of the x axis that is seen."""
        return self.window or self.extent

    @property
    def pointer(self) -> float | None:
        """Where values are read: under the mouse, else at the cursor."""
        return self.cursor if self.hover is None else self.hover

    def zoomed(self, factor: float, centre: float | None = None) -> "ChartView":
        """With a window so many times as wide, in which `centre` (else the middle) stays where it is."""
        low, high = map(self._scaled, self.shown)
        middle = (low + high) / 2 if centre is None else min(high, max(low, self._scaled(centre)))
        return self._with_window(middle - (middle - low) * factor, middle + (high - middle) * factor)

    def panned(self, share: float) -> "ChartView":
        """With the window moved by a share of its width, within the extent."""
        if self.window is None:
            return self
        low, high = map(self._scaled, self.window)
        first, last = map(self._scaled, self.extent)
        shift = min(max(share * (high - low), first - low), last - high)
        return self._with_window(low + shift, high + shift)

    def moved(self, x: float, share: float) -> float:
        """The place `x`, moved by a share of the window's width."""
        low, high = map(self._scaled, self.shown)
        return self._unscaled(self._scaled(x) + share * (high - low))

    def revealing(self, x: float) -> "ChartView":
        """With the window moved, where it must be, so that `x` is in it."""
        low, high = map(self._scaled, self.shown)
        place = self._scaled(x)
        beyond = min(0.0, place - low) + max(0.0, place - high)
        return self.panned(beyond / (high - low)) if beyond else self

    def stretched(self, extent: Range) -> "ChartView":
        """With another extent; a window that reached its end goes along with it."""
        if self.window is None or extent == self.extent:
            return replace(self, extent=extent)
        grown = replace(self, extent=extent)
        if self.window[1] < self.extent[1]:
            return grown
        return grown.revealing(extent[1])

    def _with_window(self, low: float, high: float) -> "ChartView":
        first, last = map(self._scaled, self.extent)
        if not (last > first and high - low >= SMALLEST_SHARE * (last - first)):
            return self
        low, high = max(low, first), min(high, last)
        whole = high - low >= (1 - 1e-9) * (last - first)
        return replace(self, window=None if whole else (self._unscaled(low), self._unscaled(high)))

    def _scaled(self, x: float) -> float:
        return math.log10(max(x, 1e-300)) if self.log_x else x

    def _unscaled(self, value: float) -> float:
        return float(10.0**value) if self.log_x else value


def lines_by_metric(stores: Sequence[MetricStore]) -> dict[str, list[Line]]:
    """The lines of every metric: runs in their order, in each the training split first."""
    lines: dict[str, list[Line]] = {}
    for run, store in enumerate(stores):
        started = store.first_time() or 0.0
        for (split, metric), series in sorted(store.items(), key=lambda item: _split_rank(item[0][0])):
            if len(series):
                lines.setdefault(metric, []).append(Line(series, split, run, started))
    return lines


def extent_of(lines: Iterable[Line], kind: XKind, log_x: bool) -> Range:
    """The x values from the first to the last of all lines; one wide where there is one value or none."""
    ends = [end for line in lines for end in _ends(line, kind, log_x)]
    known = [end for end in ends if math.isfinite(end)]
    low, high = min(known, default=1.0), max(known, default=1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _ends(line: Line, kind: XKind, log_x: bool) -> tuple[float, ...]:
    first, last = line.series.first, line.series.last
    if kind == "step" and not log_x and first and last:
        return float(first[0]), float(last[0])
    x = line.x(kind)
    x = x[x > 0] if log_x else x
    return (float(np.fmin.reduce(x)), float(np.fmax.reduce(x))) if len(x) else ()


def translated(x: float, line: Line, old: XKind, new: XKind) -> float | None:
    """The place `x` of one x axis on another, by the steps and times of a line; None where they do not tell."""
    before, after = line.x(old), line.x(new)
    known = np.isfinite(before) & np.isfinite(after)
    if not known.any():
        return None
    order = np.argsort(before[known], kind="stable")
    return float(np.interp(x, before[known][order], after[known][order]))


def _split_rank(split: str) -> tuple[int, str]:
    return SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER), split


def fitting_decay(lines: Mapping[str, Sequence[Line]]) -> float:
    """The strongest smoothing that averages over no more than a share of the longest training curve."""
    train = [line for of_metric in lines.values() for line in of_metric if line.split == "train"]
    longest = max((len(line.series) for line in train), default=0)
    return max(decay for decay in DECAYS if decay == 0 or 1 / (1 - decay) <= longest * SMOOTHED_SHARE)
