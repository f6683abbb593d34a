"""Which values an axis spans."""

from collections.abc import Sequence

import numpy as np

from vqtool.dash.columns import Floats

Range = tuple[float, float]
FENCE = 3.0
MAX_SAMPLES = 4096
_PADDING = 0.03


def span(arrays: Sequence[Floats]) -> Range:
    """The range that holds all values; around a single value, or where there is none, one wide."""
    filled = [array for array in arrays if len(array)]
    if not filled:
        return 0.0, 1.0
    low, high = min(float(array.min()) for array in filled), max(float(array.max()) for array in filled)
    room = max(0.5, 1e-9 * abs(low))
    return (low, high) if high > low else (low - room, high + room)


def without_outliers(full: Range, arrays: Sequence[Floats]) -> Range:
    """The part of `full` within Tukey's outer fences: three interquartile ranges around the quartiles.

    Source: Tukey, Exploratory Data Analysis (1977), section 2D. Of long arrays every n-th value is asked. Where half of
    the values are one and the same, there is no telling, and `full` is returned.
    """
    samples = [array[:: max(1, len(array) // MAX_SAMPLES)] for array in arrays]
    values = np.concatenate([*samples, np.empty(0)])
    if not len(values):
        return full
    low, high = np.percentile(values, [25, 75])
    if not high > low:
        return full
    fence = FENCE * (high - low)
    return max(full[0], float(low - fence)), min(full[1], float(high + fence))


def padded(low: float, high: float) -> Range:
    """A little more on both sides."""
    pad = (high - low) * _PADDING
    return low - pad, high + pad


def fraction(values: Floats, whole: Range, beyond: float = 0.0) -> Floats:
    """Where the values lie in the range, in [0, 1], or so many times its width `beyond` it."""
    low, high = whole
    return np.clip((values - low) / (high - low), -beyond, 1.0 + beyond)
