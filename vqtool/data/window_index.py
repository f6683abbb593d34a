"""Windows of equal length inside videos, by number: which video, and where in it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


class WindowIndex:
    """Windows of `span` frames that start at every `step`-th frame of videos of these lengths, numbered from 0.

    They are in the order of the videos, each at least `span` frames long. Memory grows with the number of videos only.
    """

    def __init__(self, lengths: Sequence[int], span: int, step: int) -> None:
        counts = (np.array(lengths, dtype=np.int64) - span) // step + 1
        self._ends = np.cumsum(counts)
        self._first = self._ends - counts
        self._step = step

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, numbers: Indices) -> tuple[Indices, Indices]:
        """The video of each window, and the window's first frame in it."""
        videos = np.searchsorted(self._ends, numbers, side="right")
        return videos, (numbers - self._first[videos]) * self._step
