"""Exponential moving average of a noisy curve."""

import math
from functools import lru_cache

import numpy as np

from vqtool.dash.columns import Floats

_LARGEST_POWER = 200.0
_NEGLIGIBLE = 40.0
"""decay^t is below the resolution of 1 - decay^t once t exceeds this over -log(decay)."""


def debiased_ema(values: Floats, decay: float) -> Floats:
    """Exponential moving average of finite `values` (N,) in their order, without pull towards zero at the start.

    y_t = decay * y_{t-1} + (1 - decay) * x_t with y_0 = 0, divided by 1 - decay^t (Kingma & Ba 2015, section 3).
    A decay of 0 returns the values.
    """
    if decay <= 0 or not len(values):
        return values
    block = _block_length(decay)
    averages = np.empty(len(values))
    carried = 0.0
    for start in range(0, len(values), block):
        part = values[start : start + block]
        powers = _powers(decay, block + 1)
        weighted = np.cumsum(part / powers[1 : len(part) + 1]) * (1 - decay)
        averages[start : start + block] = (carried + weighted) * powers[1 : len(part) + 1]
        carried = float(averages[start + len(part) - 1])
    biased = min(len(values), int(_NEGLIGIBLE / -math.log(decay)) + 1)
    averages[:biased] /= -np.expm1(np.arange(1, biased + 1) * math.log(decay))
    return averages


def _block_length(decay: float) -> int:
    """Values that one cumulative sum spans: in cache, and before its weights leave the range of a float."""
    return max(1, min(1 << 12, int(_LARGEST_POWER / -math.log10(decay))))


@lru_cache(maxsize=16)
def _powers(decay: float, count: int) -> Floats:
    return np.power(decay, np.arange(count, dtype=np.float64))
