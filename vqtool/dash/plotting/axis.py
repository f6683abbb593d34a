"""Where the ticks of an axis go and what they say."""

import math
from datetime import datetime
from typing import Literal

import numpy as np

from vqtool.dash.columns import Floats
from vqtool.dash.text import duration, short_number

XKind = Literal["step", "seconds", "clock"]
"""Steps, seconds since the start, or unix seconds shown as local time."""

_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_DAY = 86400
_TIME_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


def linear_ticks(low: float, high: float, max_ticks: int) -> Floats:
    """Up to `max_ticks` round values in [low, high], evenly spaced by 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (math.isfinite(span) and span > 1e-12 * max(abs(low), abs(high))):
        return np.array([low])
    magnitude = 10.0 ** math.floor(math.log10(span / max(1, max_ticks)))
    for step in (factor * magnitude for factor in (1, 2, 5, 10, 20, 50)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if 1 <= last - first + 1 <= max_ticks:
            return np.arange(first, last + 1, dtype=np.float64) * step
    return np.array([low])


def log_ticks(low: float, high: float, max_ticks: int) -> Floats:
    """Values in [low, high], both positive, that are round on a logarithmic axis."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first + 1 < 2:
        mantissas = [m * 10.0**e for e in range(first - 1, last + 1) for m in (1, 2, 3, 5)]
        inside = np.array([value for value in mantissas if low <= value <= high])
        return inside if 2 <= len(inside) <= max_ticks else linear_ticks(low, high, max_ticks)
    every = max(1, math.ceil((last - first + 1) / max(1, max_ticks)))
    return np.power(10.0, np.arange(first, last + 1, every, dtype=np.float64))


def tick_labels(ticks: Floats) -> list[str]:
    """Short labels, with just the digits that tell the ticks apart."""
    largest = float(np.max(np.abs(ticks), initial=0.0))
    if len(ticks) == 1:
        return [short_number(float(ticks[0]))]
    for smallest, unit, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if smallest <= largest < 1e15:
            return [_fixed(value / unit, ticks / unit) + suffix if value else "0" for value in ticks]
    evenly = len(ticks) < 3 or bool(np.allclose(np.diff(ticks), ticks[1] - ticks[0], rtol=1e-6, atol=0))
    if not evenly and largest > 0:
        return [f"{value:.3g}" for value in ticks]
    if largest >= 1e15 or 0 < largest < 1e-3:
        return [f"{value:.3g}" if value else "0" for value in ticks]
    return [_fixed(value, ticks) for value in ticks]


def time_ticks(low: float, high: float, max_ticks: int) -> tuple[Floats, list[str]]:
    """Ticks of a duration axis in seconds, round in the unit that suits its length, and their labels."""
    size, unit = next(((size, unit) for size, unit in _TIME_UNITS if high - low >= 2 * size), (1.0, "s"))
    ticks = linear_ticks(low / size, high / size, max_ticks)
    return ticks * size, [label + unit for label in tick_labels(ticks)]


def clock_ticks(low: float, high: float, max_ticks: int) -> tuple[Floats, list[str]]:
    """Ticks at unix seconds that are round in local time, and their labels: time of day, at midnight the date."""
    try:
        offset = datetime.fromtimestamp(low).astimezone().utcoffset()
        shift = 0.0 if offset is None else offset.total_seconds()
        days = math.ceil((high - low) / _DAY / max(1, max_ticks))
        step = next((step for step in _CLOCK_STEPS if (high - low) / step <= max_ticks), days * _DAY)
        first = math.ceil((low + shift) / step)
        whole = np.arange(first, math.floor((high + shift) / step) + 1, dtype=np.float64)
        ticks = whole[: max_ticks + 1] * step - shift
        return ticks, [_clock(datetime.fromtimestamp(tick), step) for tick in ticks]
    except (ValueError, OverflowError, OSError):
        ticks = linear_ticks(low, high, max_ticks)
        return ticks, tick_labels(ticks)


def x_ticks(low: float, high: float, max_ticks: int, kind: XKind, logarithmic: bool) -> tuple[Floats, list[str]]:
    """Ticks of a chart's x axis, and their labels."""
    if logarithmic:
        ticks = log_ticks(max(low, 1e-300), min(high, 1e300), max_ticks)
        return ticks, [short_number(float(tick)) + ("s" if kind == "seconds" else "") for tick in ticks]
    if kind == "seconds":
        return time_ticks(low, high, max_ticks)
    if kind == "clock":
        return clock_ticks(low, high, max_ticks)
    ticks = linear_ticks(low, high, max_ticks)
    ticks = ticks[ticks == np.rint(ticks)] if len(ticks) > 1 else ticks
    return ticks, tick_labels(ticks)


def y_ticks(low: float, high: float, max_ticks: int, logarithmic: bool) -> tuple[Floats, list[str]]:
    """Ticks of a chart's y axis, and their labels; `low` and `high` are powers of ten where it is logarithmic."""
    if logarithmic:
        ticks = log_ticks(10.0 ** max(low, -300), 10.0 ** min(high, 300), max_ticks)
        return ticks, [short_number(float(tick)) for tick in ticks]
    ticks = linear_ticks(low, high, max_ticks)
    return ticks, tick_labels(ticks)


def point_label(x: float, kind: XKind) -> str:
    """One place of a chart's x axis."""
    if kind == "seconds":
        return duration(x)
    if kind == "step":
        return f"{x:,.0f}"
    try:
        return f"{datetime.fromtimestamp(x):%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return short_number(x)


def _clock(time: datetime, step: float) -> str:
    if time.hour == time.minute == time.second == 0 or step >= _DAY:
        return f"{time:%b} {time.day}"
    return f"{time:%H:%M}" if step >= 60 else f"{time:%H:%M:%S}"


def _fixed(value: float, ticks: Floats) -> str:
    step = float(np.min(np.diff(ticks)))
    decimals = 0 if not (0 < step < math.inf) else max(0, min(12, math.ceil(-math.log10(step) - 1e-9)))
    return f"{value:.{decimals}f}"
