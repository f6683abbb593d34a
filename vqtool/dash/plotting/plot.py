"""A chart as characters: several curves, axes, marks; NaN, constants and single points included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.columns import Floats
from vqtool.dash.plotting.axis import linear_ticks, log_ticks, tick_labels, time_ticks
from vqtool.dash.plotting.braille import BLANK, Reduced, braille_codes, curve_dots, reduce_to_columns
from vqtool.dash.plotting.smoothing import debiased_ema

PLAIN, AXIS, ALARM, FIRST_CURVE = 0, 1, 2, 3
"""Roles of a cell; curve i has the roles FIRST_CURVE + 2 i (its smoothed or only line) and + 1 (its raw values)."""

MIN_WIDTH_FOR_LABELS = 20
MIN_HEIGHT_FOR_LABELS = 4
LARGEST = 1e300
_EMPTY = np.empty(0)


@dataclass(frozen=True)
class Curve:
    """Values to draw: `x` ascending (N,), `y` (N,) with NaN where not a number.

    `decay` smooths the line drawn over the raw values; `marker` is put on each point where points are few.
    """

    x: Floats
    y: Floats
    marker: str = "●"
    decay: float = 0.0
    dotted: bool = False


@dataclass(frozen=True)
class Axes:
    """How to draw: the scales, and x positions to mark with a vertical line."""

    x_kind: Literal["step", "seconds"] = "step"
    log_y: bool = False
    marks: Sequence[float] = ()


@dataclass(frozen=True)
class Plot:
    """A drawn chart: code points and roles, both (height, width).

    `hidden` counts the values that a logarithmic axis cannot show.
    """

    codes: NDArray[np.uint32]
    roles: NDArray[np.uint8]
    hidden: int = 0

    def rows(self) -> list[str]:
        """The characters as text, a string a row."""
        return [row.tobytes().decode("utf-32-le") for row in self.codes.astype("<u4")]


@dataclass(frozen=True)
class _Drawable:
    """A curve's finite points that the axis can show, smoothed values where wanted, and where values are missing."""

    x: Floats
    y: Floats
    smooth: Floats | None
    missing_x: Floats
    hidden: int


def draw_plot(curves: Sequence[Curve], width: int, height: int, axes: Axes) -> Plot:
    """Draw `curves`, later ones on top, into `width` x `height` cells."""
    width, height = max(1, width), max(1, height)
    parts = [_drawable(curve, axes.log_y) for curve in curves]
    canvas = _Canvas(width, height, parts, axes)
    for index, (curve, part) in enumerate(zip(curves, parts, strict=True)):
        canvas.draw_curve(curve, part, FIRST_CURVE + 2 * index)
    for part in parts:
        canvas.put(part.missing_x, None, "×", ALARM)
    return Plot(canvas.codes, canvas.roles, sum(part.hidden for part in parts))


def _drawable(curve: Curve, log_y: bool) -> _Drawable:
    x, y, missing, hidden = curve.x, curve.y, _EMPTY, 0
    placed = np.isfinite(x)
    finite = placed & np.isfinite(y)
    if not finite.all():
        x, y, missing = x[finite], y[finite], x[placed & ~finite]
    if log_y and len(y) and y.min() <= 0:
        positive = y > 0
        x, y, hidden = x[positive], y[positive], int((~positive).sum())
    smooth = debiased_ema(y, curve.decay) if curve.decay > 0 else None
    return _Drawable(_bounded(x), y, smooth, _bounded(missing), hidden)


class _Canvas:
    """The cells of a chart being drawn, and the mapping from values to its dots."""

    def __init__(self, width: int, height: int, parts: Sequence[_Drawable], axes: Axes) -> None:
        self.codes = np.full((height, width), ord(" "), np.uint32)
        self.roles = np.full((height, width), PLAIN, np.uint8)
        self.x_range = _span([part.x for part in parts] + [part.missing_x for part in parts])
        self._log_y = axes.log_y
        self.y_range = _padded(*_span([self._scaled(_ends(part.y)) for part in parts]))
        self._rows = height - 1 if height >= MIN_HEIGHT_FOR_LABELS else height
        self._left = 0
        has_values = any(len(part.x) for part in parts)
        if width >= MIN_WIDTH_FOR_LABELS and has_values:
            self._draw_y_axis(width)
        self._columns = width - self._left
        self._draw_marks(axes.marks)
        if self._rows < height and has_values:
            self._draw_x_axis(axes.x_kind)

    def draw_curve(self, curve: Curve, part: _Drawable, role: int) -> None:
        """The raw values, then the smoothed line over them, then markers where there is room for them."""
        if part.smooth is not None:
            self._draw_dots(self._dots(part.x, part.y), role + 1)
        dots = self._dots(part.x, part.y if part.smooth is None else part.smooth)
        if curve.dotted:
            dots[:, np.arange(dots.shape[1]) % 4 > 1] = False
        self._draw_dots(dots, role)
        if len(part.x) == 1 or (curve.dotted and len(part.x) <= self._columns // 3):
            self.put(part.x, part.y, curve.marker, role)

    def put(self, x: Floats, y: Floats | None, character: str, role: int) -> None:
        """One character at each position; `y` None is the bottom row."""
        if not len(x):
            return
        columns = (self._dot_columns(x) // 2).astype(np.int64) + self._left
        rows = np.full(len(x), self._rows - 1) if y is None else (self._dot_rows(y) // 4).astype(np.int64)
        self.codes[rows, columns], self.roles[rows, columns] = ord(character), role

    def _dots(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        low, high = self.x_range
        num_columns = 2 * self._columns
        borders = (np.arange(num_columns - 1) + 0.5) / (num_columns - 1)
        curve = reduce_to_columns(x, y, low + borders * (high - low))
        values = (self._dot_rows(part) for part in (curve.first, curve.last, curve.lowest, curve.highest))
        return curve_dots(Reduced(curve.column, *values), 4 * self._rows, num_columns)

    def _draw_dots(self, dots: NDArray[np.bool_], role: int) -> None:
        codes = braille_codes(dots)
        drawn = codes != BLANK
        area = np.s_[: self._rows, self._left :]
        self.codes[area][drawn] = codes[drawn]
        self.roles[area][drawn] = role

    def _dot_columns(self, x: Floats) -> Floats:
        return np.floor(_fraction(x, self.x_range) * (2 * self._columns - 1) + 0.5)

    def _dot_rows(self, y: Floats) -> Floats:
        return np.rint((1.0 - _fraction(self._scaled(y), self.y_range)) * (4 * self._rows - 1))

    def _scaled(self, y: Floats) -> Floats:
        return np.log10(np.clip(y, 1 / LARGEST, LARGEST)) if self._log_y else _bounded(y)

    def _draw_y_axis(self, width: int) -> None:
        low, high = self.y_range
        max_ticks = max(2, self._rows * 2 // 5)
        if self._log_y:
            ticks = log_ticks(10.0 ** max(low, -300), 10.0 ** min(high, 300), max_ticks)
        else:
            ticks = linear_ticks(low, high, max_ticks)
        labels = tick_labels(ticks)
        self._left = min(max(map(len, labels)), width // 3) + 1
        self._text(np.s_[: self._rows, self._left - 1], "│")
        for tick, label in zip(ticks, labels, strict=True):
            if not self._log_y or tick > 0:
                row = int(self._dot_rows(np.array([tick]))[0] // 4)
                self._text(np.s_[row, : self._left], label[: self._left - 1].rjust(self._left - 1) + "┤")

    def _draw_x_axis(self, kind: str) -> None:
        low, high = self.x_range
        max_ticks = max(1, self._columns // 9)
        if kind == "seconds":
            ticks, labels = time_ticks(low, high, max_ticks)
        else:
            ticks = linear_ticks(low, high, max_ticks)
            ticks = ticks[ticks == np.rint(ticks)] if len(ticks) > 1 else ticks
            labels = tick_labels(ticks)
        free = 0
        for tick, label in zip(ticks, labels, strict=True):
            column = self._left + int(self._dot_columns(np.array([tick]))[0] // 2)
            start = min(max(column - len(label) // 2, self._left), self._left + self._columns - len(label))
            if start >= free and low <= tick <= high:
                self._text(np.s_[self._rows, start : start + len(label)], label)
                free = start + len(label) + 1

    def _draw_marks(self, marks: Sequence[float]) -> None:
        low, high = self.x_range
        inside = np.array([mark for mark in marks if low <= mark <= high])
        columns = (self._dot_columns(inside) // 2).astype(np.int64) + self._left
        self.codes[: self._rows, columns], self.roles[: self._rows, columns] = ord("┊"), AXIS

    def _text(self, place: tuple[int | slice, int | slice], text: str) -> None:
        characters = np.array([ord(character) for character in text], np.uint32)
        self.codes[place] = characters if len(text) > 1 else characters[0]
        self.roles[place] = AXIS


def _span(arrays: Sequence[Floats]) -> tuple[float, float]:
    """The range that holds all values; around a single value, or where there is none, one wide."""
    filled = [array for array in arrays if len(array)]
    if not filled:
        return 0.0, 1.0
    low, high = min(float(array.min()) for array in filled), max(float(array.max()) for array in filled)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _bounded(values: Floats) -> Floats:
    """The values, kept from overflowing when they are subtracted."""
    return np.clip(values, -LARGEST, LARGEST)


def _ends(values: Floats) -> Floats:
    return np.array([values.min(), values.max()]) if len(values) else values


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = (high - low) * 0.03
    return low - pad, high + pad


def _fraction(values: Floats, span: tuple[float, float]) -> Floats:
    """Where the values lie in the range, in [0, 1]."""
    low, high = span
    return np.clip((values - low) / (high - low), 0.0, 1.0)
