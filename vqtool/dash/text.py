"""Numbers and durations made short."""

import math

_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def short_number(value: float | None) -> str:
    """Four significant digits at most: `0.1234`, `12.3k`, `5e-06`; `nan` and `inf` by name, `–` where there is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(float(value))
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.3g}"
    for unit, suffix in _SUFFIXES:
        if size >= 10 * unit:
            return f"{value / unit:.4g}{suffix}"
    return f"{value:.4g}"


def percent(share: float) -> str:
    """A share in [0, 1] as `24%`; what is not quite all never reads 100 %."""
    return f"{int(min(share, 1.0) * 100)}%"


def duration(seconds: float | None) -> str:
    """Two units at most: `42s`, `3m 05s`, `2h 10m`, `3d 04h`; `–` where unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"
