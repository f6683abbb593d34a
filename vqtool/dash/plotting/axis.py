"""Where the ticks of an axis go and what they say."""

import math

import numpy as np

from vqtool.dash.columns import Floats
from vqtool.dash.text import short_number

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


def _fixed(value: float, ticks: Floats) -> str:
    step = float(np.min(np.diff(ticks)))
    decimals = 0 if not (0 < step < math.inf) else max(0, min(12, math.ceil(-math.log10(step) - 1e-9)))
    return f"{value:.{decimals}f}"
