"""Pictures as half blocks: two pixels a cell, colours quantised so that few distinct styles are needed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
CellColours = NDArray[np.int32]
ERROR_GAIN = 4
SHADES = " .:-=+*#%@"
_BITS = 5
_LEVEL_MASK = (1 << _BITS) - 1
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Arrangement:
    """Where equally large pictures go: `rows` x `columns` cells each, side by side or one below the other."""

    rows: int
    columns: int
    side_by_side: bool


def arrange(num_pictures: int, height: int, width: int, rows: int, columns: int) -> Arrangement | None:
    """The arrangement in `rows` x `columns` cells that shows pictures of `height` x `width` pixels largest.

    Each picture has one row for its label above it; side by side, one column keeps them apart. None where no picture
    of at least two cells fits.
    """
    beside = _fit(height, width, rows - 1, (columns - num_pictures + 1) // num_pictures)
    below = _fit(height, width, rows // num_pictures - 1, columns)
    side_by_side = beside >= below
    cells = max(beside, below)
    if min(cells) < 2:
        return None
    return Arrangement(*cells, side_by_side)


def _fit(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """The most cells (rows, columns) that keep the shape of a picture: a cell is one pixel wide and two high."""
    scale = min(2 * max(0, rows) / height, max(0, columns) / width)
    return int(scale * height / 2 + 1e-9), int(scale * width + 1e-9)


def resize(picture: Pixels, height: int, width: int) -> Pixels:
    """A picture (H, W, 3) at another size: means of areas where it shrinks, repeated pixels where it grows."""
    return _resize_rows(_resize_rows(picture, height).transpose(1, 0, 2), width).transpose(1, 0, 2)


def _resize_rows(picture: Pixels, rows: int) -> Pixels:
    if rows >= len(picture):
        return picture[np.arange(rows) * len(picture) // rows]
    starts = np.arange(rows) * len(picture) // rows
    sizes = np.diff(starts, append=len(picture))
    sums = np.add.reduceat(picture.astype(np.uint32), starts, axis=0)
    return np.rint(sums / sizes[:, None, None]).astype(np.uint8)


def error_map(real: Pixels, reconstruction: Pixels) -> Pixels:
    """Absolute difference, mean over colours, `ERROR_GAIN` times, as a grey picture of the same shape."""
    difference = np.abs(real.astype(np.int16) - reconstruction).mean(axis=-1, keepdims=True)
    grey = np.minimum(difference * ERROR_GAIN, 255).astype(np.uint8)
    return np.repeat(grey, 3, axis=-1)


def half_block_colours(picture: Pixels) -> CellColours:
    """A picture (2 R, C, 3) as cells (R, C): quantised colour of the upper pixel times 2^15 plus that of the lower."""
    levels = (picture >> (8 - _BITS)).astype(np.int32)
    colours = (levels[..., 0] << 2 * _BITS) | (levels[..., 1] << _BITS) | levels[..., 2]
    return (colours[0::2] << 3 * _BITS) | colours[1::2]


def split_colours(cell: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The upper and the lower colour of a cell, 8 bits a channel."""
    return _rgb(cell >> 3 * _BITS), _rgb(cell)


def shades(picture: Pixels) -> list[str]:
    """A picture (2 R, C, 3) as R rows of characters from dark to bright, for terminals without colours."""
    luma = picture.astype(np.float64) @ _LUMA
    cells = (luma[0::2] + luma[1::2]) / 2
    levels = np.minimum((cells * len(SHADES) / 256).astype(int), len(SHADES) - 1)
    return ["".join(SHADES[level] for level in row) for row in levels]


def _rgb(colour: int) -> tuple[int, int, int]:
    red, green, blue = ((colour >> shift) & _LEVEL_MASK for shift in (2 * _BITS, _BITS, 0))
    return red * 255 // _LEVEL_MASK, green * 255 // _LEVEL_MASK, blue * 255 // _LEVEL_MASK
