"""A curve and what of it can be drawn: finite points, a smoothed line, where values are missing."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vqtool.dash.columns import Floats
from vqtool.dash.plotting.smoothing import debiased_ema

LARGEST = 1e300
NOTHING = np.empty(0)


@dataclass(frozen=True)
class Points:
    """Finite points with ascending `x` (N,), the smoothed values where wanted, and what no point can be drawn for.

    `missing_x` are the places of NaN and infinity, `hidden_x` those of values that a logarithmic axis cannot show.
    `crossings` tells whether the first and the last point are none of the curve's, but where it crosses the borders.
    """

    x: Floats
    y: Floats
    smooth: Floats | None
    missing_x: Floats
    hidden_x: Floats
    crossings: tuple[bool, bool] = (False, False)

    @property
    def own(self) -> slice:
        """The points that are the curve's."""
        return slice(int(self.crossings[0]), len(self.x) - int(self.crossings[1]))

    def within(self, low: float, high: float) -> "Points":
        """The points with `x` in [low, high], and where the lines between points cross these borders."""
        begin, end = int(np.searchsorted(self.x, low)), int(np.searchsorted(self.x, high, side="right"))
        if begin == 0 and end == len(self.x):
            return self._with_marks_within(low, high)
        before = 0 < begin < len(self.x) and float(self.x[begin]) > low
        after = 0 < end < len(self.x)
        borders = np.array([low] * before + [high] * after)
        where = [0] * before + [end - begin] * after

        def cut(values: Floats) -> Floats:
            around = slice(max(0, begin - 1), end + 1)
            return np.insert(values[begin:end], where, np.interp(borders, self.x[around], values[around]))

        smooth = None if self.smooth is None else cut(self.smooth)
        x = np.insert(self.x[begin:end], where, borders)
        inside = Points(x, cut(self.y), smooth, self.missing_x, self.hidden_x, (before, after))
        return inside._with_marks_within(low, high)

    def _with_marks_within(self, low: float, high: float) -> "Points":
        if not len(self.missing_x) and not len(self.hidden_x):
            return self
        missing, hidden = (x[(x >= low) & (x <= high)] for x in (self.missing_x, self.hidden_x))
        return Points(self.x, self.y, self.smooth, missing, hidden, self.crossings)


@dataclass(frozen=True, eq=False)
class Curve:
    """Values to draw: `x` ascending (N,), `y` (N,) with NaN where not a number.

    `decay` smooths the line drawn over the raw values; `marker` is put on each point where points are few, `label` (one
    character) on the last point. What is computed for drawing is kept, so that the same curve is drawn again quickly.
    """

    x: Floats
    y: Floats
    marker: str = "●"
    decay: float = 0.0
    dotted: bool = False
    label: str = ""

    def y_at(self, x: float) -> float:
        """The value of the point nearest to `x`, NaN where there is no point."""
        after = int(np.searchsorted(self.x, x))
        near = [place for place in (after - 1, after) if 0 <= place < len(self.x) and np.isfinite(self.x[place])]
        return float(self.y[min(near, key=lambda place: abs(self.x[place] - x))]) if near else float("nan")

    @cached_property
    def finite(self) -> Points:
        """The points that a linear axis can show."""
        x, y, missing = self.x, self.y, NOTHING
        placed = np.isfinite(x)
        finite = placed & np.isfinite(y)
        if not finite.all():
            x, y, missing = x[finite], y[finite], x[placed & ~finite]
        return self._points(x, y, missing, NOTHING)

    @cached_property
    def positive(self) -> Points:
        """The points that a logarithmic y axis can show."""
        points = self.finite
        positive = points.y > 0
        if positive.all():
            return points
        x = points.x
        return self._points(x[positive], points.y[positive], points.missing_x, x[~positive])

    def _points(self, x: Floats, y: Floats, missing: Floats, hidden: Floats) -> Points:
        smooth = debiased_ema(y, self.decay) if self.decay > 0 else None
        return Points(bounded(x), y, smooth, bounded(missing), hidden)


def bounded(values: Floats) -> Floats:
    """The values, kept from overflowing when they are subtracted."""
    fits = not len(values) or (values.min() >= -LARGEST and values.max() <= LARGEST)
    return values if fits else np.clip(values, -LARGEST, LARGEST)
