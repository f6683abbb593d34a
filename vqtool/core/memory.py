"""Memory that a process has freed and will soon want again."""

import ctypes
import sys

KEEP_FREED_BYTES = 1 << 28
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt."""


def keep_freed_memory() -> None:
    """Give nothing below `KEEP_FREED_BYTES` back to the system when it is freed, where the C library can be told so.

    Else large arrays are new pages each time, and faulting them in takes longer than some of the work on them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, KEEP_FREED_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEEP_FREED_BYTES)
