"""Channel mean and standard deviation as sums of integers: exact, whatever the order they are added in."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from vqtool.data import Frames

Triple = tuple[float, float, float]
EXACT_ROWS = 256
"""255 ** 2 * 256 is below 2 ** 24: so many squares are summed exactly in fp32, at twice the speed of uint64."""


@dataclass(frozen=True)
class ChannelSums:
    """Number of pixels, and the sums of grey levels and of their squares for each of R, G, B."""

    num_pixels: int = 0
    sums: tuple[int, int, int] = (0, 0, 0)
    squares: tuple[int, int, int] = (0, 0, 0)

    def __add__(self, other: "ChannelSums") -> "ChannelSums":
        return ChannelSums(
            self.num_pixels + other.num_pixels,
            _add(self.sums, other.sums),
            _add(self.squares, other.squares),
        )

    def numbers(self) -> tuple[int, ...]:
        """All seven numbers, for `from_numbers`."""
        return self.num_pixels, *self.sums, *self.squares

    @classmethod
    def from_numbers(cls, numbers: Sequence[int]) -> "ChannelSums":
        """The sums that gave these `numbers`."""
        pixels, red, green, blue, *squares = numbers
        return cls(pixels, (red, green, blue), (squares[0], squares[1], squares[2]))

    def mean(self) -> Triple:
        """Mean of each channel in [0, 1]."""
        red, green, blue = (float(Fraction(total, 255 * self.num_pixels)) for total in self.sums)
        return red, green, blue

    def std(self) -> Triple:
        """Population standard deviation of each channel in [0, 1]."""
        scale = (255 * self.num_pixels) ** 2
        red, green, blue = (
            sqrt(Fraction(self.num_pixels * square - total * total, scale))
            for total, square in zip(self.sums, self.squares, strict=True)
        )
        return red, green, blue


def channel_sums(frames: Frames) -> ChannelSums:
    """The sums over frames (T, H, W, 3)."""
    num_frames, height, width, _ = frames.shape
    rows = frames.reshape(num_frames * height, width * 3)
    sums, squares = np.zeros((2, width * 3), dtype=np.int64)
    for start in range(0, len(rows), EXACT_ROWS):
        part = rows[start : start + EXACT_ROWS].astype(np.float32)
        ones = np.ones(len(part), dtype=np.float32)
        sums += (ones @ part).astype(np.int64)
        squares += (ones @ np.square(part, out=part)).astype(np.int64)
    return ChannelSums(num_frames * height * width, _by_channel(sums), _by_channel(squares))


def _by_channel(columns: NDArray[np.int64]) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in columns.reshape(-1, 3).sum(axis=0))
    return red, green, blue


def _add(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
