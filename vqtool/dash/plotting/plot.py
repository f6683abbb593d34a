"""A chart as characters: several curves, axes, marks; NaN, constants and single points included."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.columns import Floats
from vqtool.dash.plotting.axis import XKind, x_ticks, y_ticks
from vqtool.dash.plotting.braille import BLANK, Reduced, braille_codes, curve_dots, reduce_to_columns
from vqtool.dash.plotting.curve import LARGEST, Curve, Points, bounded
from vqtool.dash.plotting.ranges import Range, fraction, padded, span, without_outliers
from vqtool.dash.plotting.signs import NO_SIGNS, Signs, placed

PLAIN, AXIS, ALARM, MARK, FIRST_CURVE = 0, 1, 2, 3, 4
"""Roles of a cell; curve i has the roles FIRST_CURVE + 2 i (its smoothed or only line) and + 1 (its raw values)."""

BEYOND = 4.0
"""Of a part of the y axis: lines go on so many heights beyond it, so that they leave it at their own slope."""
MIN_WIDTH_FOR_LABELS = 20
MIN_HEIGHT_FOR_LABELS = 4


@dataclass(frozen=True)
class Axes:
    """How to draw: the scales, x positions to mark with a vertical line, and signs above others.

    `x_range` is the part of the x axis that is shown, all of it where None; `y_range` that of the y axis, in powers of
    ten where it is logarithmic. `clip_outliers` lets single far values leave the picture, which is marked and counted.
    """

    x_kind: XKind = "step"
    log_y: bool = False
    log_x: bool = False
    clip_outliers: bool = False
    x_range: Range | None = None
    y_range: Range | None = None
    marks: Sequence[float] = ()
    signs: Signs = NO_SIGNS


@dataclass(frozen=True)
class Plot:
    """A drawn chart: code points and roles, both (height, width).

    `hidden` counts the values that a logarithmic axis cannot show, `clipped` the outliers beyond the picture. The
    curves are in the upper `num_rows` rows, right of the first `left` columns; `x_range` and `y_range` are theirs, in
    powers of ten where the axis is logarithmic.
    """

    codes: NDArray[np.uint32]
    roles: NDArray[np.uint8]
    hidden: int
    clipped: int
    left: int
    num_rows: int
    x_range: Range
    log_x: bool
    y_range: Range

    def rows(self) -> list[str]:
        """The characters as text, a string a row."""
        return [row.tobytes().decode("utf-32-le") for row in self.codes.astype("<u4")]

    def x_at(self, column: float) -> float:
        """The x value at the middle of a cell's column, or the nearest one in the picture."""
        low, high = self.x_range
        num_columns = self.codes.shape[1] - self.left
        share = min(1.0, max(0.0, (2 * (column - self.left) + 0.5) / max(1, 2 * num_columns - 1)))
        value = low + share * (high - low)
        return float(10.0**value) if self.log_x else value

    def column_of(self, x: float) -> int | None:
        """The cell's column that shows x, or None where it is outside the picture."""
        value = (np.log10(x) if x > 0 else -np.inf) if self.log_x else x
        low, high = self.x_range
        if not low <= value <= high:
            return None
        num_columns = self.codes.shape[1] - self.left
        return self.left + int((value - low) / (high - low) * (2 * num_columns - 1) + 0.5) // 2


def draw_plot(curves: Sequence[Curve], width: int, height: int, axes: Axes) -> Plot:
    """Draw `curves`, later ones on top, into `width` x `height` cells."""
    canvas = _Canvas(max(1, width), max(1, height), curves, axes)
    for index, (curve, part) in enumerate(zip(curves, canvas.parts, strict=True)):
        canvas.draw_curve(curve, part, FIRST_CURVE + 2 * index)
    canvas.draw_signs(axes.signs)
    clipped = sum(canvas.mark_clipped(part) for part in canvas.parts)
    for index, (curve, part) in enumerate(zip(curves, canvas.parts, strict=True)):
        canvas.mark_ends(curve, part, FIRST_CURVE + 2 * index)
    hidden = sum(len(part.hidden_x) for part in canvas.parts)
    place = canvas.left, canvas.num_rows, canvas.x_range
    return Plot(canvas.codes, canvas.roles, hidden, clipped, *place, axes.log_x, canvas.y_range)


class _Canvas:
    """The cells of a chart being drawn, and the mapping from values to its dots."""

    def __init__(self, width: int, height: int, curves: Sequence[Curve], axes: Axes) -> None:
        self.codes = np.full((height, width), ord(" "), np.uint32)
        self.roles = np.full((height, width), PLAIN, np.uint8)
        self._log_x, self._log_y = axes.log_x, axes.log_y
        every = [curve.positive if axes.log_y else curve.finite for curve in curves]
        self.x_range = self._x_span(every, axes.x_range)
        self.parts = [points.within(*self._unscaled(self.x_range)) for points in every]
        full = span([self._scaled(_ends(part.y)) for part in self.parts])
        values = [self._scaled(part.y) for part in self.parts] if axes.clip_outliers else []
        self._clip = without_outliers(full, values)
        self.y_range = axes.y_range or padded(*self._clip)
        self._is_part = axes.y_range is not None
        self.num_rows = height - 1 if height >= MIN_HEIGHT_FOR_LABELS else height
        self.left = 0
        has_values = any(len(part.x) for part in self.parts)
        if width >= MIN_WIDTH_FOR_LABELS and has_values:
            self._draw_y_axis(width)
        self._columns = width - self.left
        self._draw_marks(axes.marks)
        if self.num_rows < height and (has_values or axes.x_range is not None):
            self._draw_x_axis(axes.x_kind)

    def draw_curve(self, curve: Curve, part: Points, role: int) -> None:
        """The raw values, then the smoothed line over them, then markers where there is room for them."""
        if part.smooth is not None:
            self._draw_dots(self._dots(part.x, part.y), role + 1)
        dots = self._dots(part.x, part.y if part.smooth is None else part.smooth)
        if curve.dotted:
            dots[:, np.arange(dots.shape[1]) % 4 > 1] = False
        self._draw_dots(dots, role)
        x = part.x[part.own]
        if len(x) and (len(part.x) == 1 or (curve.dotted and len(x) <= self._columns // 3)):
            self._put(x, self._cell_rows(part.y[part.own]), curve.marker, role)

    def draw_signs(self, signs: Signs) -> None:
        """In the uppermost row: faults over the curves, all else where there is none."""
        low, high = self._unscaled(self.x_range)
        seen = (signs.x >= low) & (signs.x <= high)
        columns = np.full(len(seen), -1)
        columns[seen] = (self._dot_columns(self._scaled_x(signs.x[seen])) // 2).astype(np.int64) + self.left
        for own, code, is_fault in placed(signs, columns, self._columns):
            free = own if is_fault else own[self.roles[0, own] < FIRST_CURVE]
            self.codes[0, free], self.roles[0, free] = code, ALARM if is_fault else MARK

    def mark_clipped(self, part: Points) -> int:
        """Arrows at the border where single values lie beyond it; how many do. What was zoomed away is no outlier."""
        if self._is_part:
            return 0
        low, high = self._clip
        y = self._scaled(part.y[part.own])
        num_clipped = 0
        for beyond, row, arrow in ((y > high, 0, "▲"), (y < low, self.num_rows - 1, "▼")):
            x = part.x[part.own][beyond]
            self._put(x, np.full(len(x), row), arrow, ALARM)
            num_clipped += len(x)
        return num_clipped

    def mark_ends(self, curve: Curve, part: Points, role: int) -> None:
        """The label at the last point; crosses where values are not a number."""
        if curve.label and len(part.x):
            line = part.y if part.smooth is None else part.smooth
            self._put(part.x[-1:], self._cell_rows(line[-1:]), curve.label, role)
        self._put(part.missing_x, np.full(len(part.missing_x), self.num_rows - 1), "×", ALARM)

    def _put(self, x: Floats, rows: NDArray[np.int64], character: str, role: int) -> None:
        """One character at each position that is in the picture."""
        seen = (rows >= 0) & (rows < self.num_rows)
        if seen.any():
            rows, columns = rows[seen], (self._dot_columns(self._scaled_x(x[seen])) // 2).astype(np.int64) + self.left
            self.codes[rows, columns], self.roles[rows, columns] = ord(character), role

    def _x_span(self, parts: Sequence[Points], shown: Range | None) -> Range:
        """The range of the x axis, in powers of ten where it is logarithmic."""
        arrays = [x for part in parts for x in (part.x, part.missing_x)] if shown is None else [np.array(shown)]
        positive = [x[x > 0] for x in arrays] if self._log_x else arrays
        return span([self._scaled_x(_ends(bounded(x))) for x in positive])

    def _unscaled(self, x_range: Range) -> Range:
        """In the units of x; what rounding of the logarithm cost is given back."""
        low, high = x_range
        return (float(10.0**low) * (1 - 1e-12), float(10.0**high) * (1 + 1e-12)) if self._log_x else x_range

    def _dots(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        low, high = self.x_range
        num_columns = 2 * self._columns
        borders = low + (np.arange(num_columns - 1) + 0.5) / (num_columns - 1) * (high - low)
        curve = reduce_to_columns(x, y, np.power(10.0, borders) if self._log_x else borders)
        values = (self._dot_rows(part) for part in (curve.first, curve.last, curve.lowest, curve.highest))
        return curve_dots(Reduced(curve.column, *values), 4 * self.num_rows, num_columns)

    def _draw_dots(self, dots: NDArray[np.bool_], role: int) -> None:
        codes = braille_codes(dots)
        drawn = codes != BLANK
        area = np.s_[: self.num_rows, self.left :]
        self.codes[area][drawn] = codes[drawn]
        self.roles[area][drawn] = role

    def _dot_columns(self, scaled_x: Floats) -> Floats:
        return np.floor(fraction(scaled_x, self.x_range) * (2 * self._columns - 1) + 0.5)

    def _dot_rows(self, y: Floats) -> Floats:
        beyond = BEYOND if self._is_part else 0.0
        return np.rint((1.0 - fraction(self._scaled(y), self.y_range, beyond)) * (4 * self.num_rows - 1))

    def _cell_rows(self, y: Floats) -> NDArray[np.int64]:
        return (self._dot_rows(y) // 4).astype(np.int64)

    def _scaled(self, y: Floats) -> Floats:
        return np.log10(np.clip(y, 1 / LARGEST, LARGEST)) if self._log_y else bounded(y)

    def _scaled_x(self, x: Floats) -> Floats:
        return np.log10(np.clip(x, 1 / LARGEST, LARGEST)) if self._log_x else x

    def _draw_y_axis(self, width: int) -> None:
        max_ticks = max(2, self.num_rows * 2 // 5)
        ticks, labels = y_ticks(*self.y_range, max_ticks, self._log_y)
        self.left = min(max(map(len, labels)), width // 3) + 1
        self._text(np.s_[: self.num_rows, self.left - 1], "│")
        for tick, label in zip(ticks, labels, strict=True):
            if not self._log_y or tick > 0:
                row = int(self._cell_rows(np.array([tick]))[0])
                self._text(np.s_[row, : self.left], label[: self.left - 1].rjust(self.left - 1) + "┤")

    def _draw_x_axis(self, kind: XKind) -> None:
        low, high = self._unscaled(self.x_range)
        ticks, labels = x_ticks(low, high, max(1, self._columns // 9), kind, self._log_x)
        free = 0
        for tick, label in zip(ticks, labels, strict=True):
            column = self.left + int(self._dot_columns(self._scaled_x(np.array([tick])))[0] // 2)
            start = min(max(column - len(label) // 2, self.left), self.left + self._columns - len(label))
            if start >= max(free, self.left) and low <= tick * (1 + 1e-12) and tick <= high * (1 + 1e-12):
                self._text(np.s_[self.num_rows, start : start + len(label)], label)
                free = start + len(label) + 1

    def _draw_marks(self, marks: Sequence[float]) -> None:
        low, high = self._unscaled(self.x_range)
        inside = np.array([mark for mark in marks if low <= mark <= high])
        columns = (self._dot_columns(self._scaled_x(inside)) // 2).astype(np.int64) + self.left
        self.codes[: self.num_rows, columns], self.roles[: self.num_rows, columns] = ord("┊"), AXIS

    def _text(self, place: tuple[int | slice, int | slice], text: str) -> None:
        characters = np.array([ord(character) for character in text], np.uint32)
        self.codes[place] = characters if len(text) > 1 else characters[0]
        self.roles[place] = AXIS


def _ends(values: Floats) -> Floats:
    return np.array([values.min(), values.max()]) if len(values) else values
