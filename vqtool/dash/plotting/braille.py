"""Curves as dots: two dot columns and four dot rows a braille cell, no spike lost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.columns import Floats

Mask = NDArray[np.bool_]
BLANK = 0x2800
_DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint16)
"""Bit of each dot of a cell, four rows of two (Unicode chapter 21.1)."""


@dataclass(frozen=True)
class Reduced:
    """A curve of many points reduced to what each occupied dot column needs: arrays (M,), columns ascending."""

    column: NDArray[np.int64]
    first: Floats
    last: Floats
    lowest: Floats
    highest: Floats


def reduce_to_columns(x: Floats, y: Floats, edges: Floats) -> Reduced:
    """Reduce finite points with ascending `x` (N,) to the columns between `edges` (columns - 1,), also ascending."""
    borders = np.concatenate([[0], np.searchsorted(x, edges), [len(x)]])
    column = np.flatnonzero(np.diff(borders))
    starts, ends = borders[column], borders[column + 1] - 1
    if not len(column):
        return Reduced(column, y, y, y, y)
    return Reduced(column, y[starts], y[ends], np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts))


def curve_dots(curve: Reduced, num_rows: int, num_columns: int) -> Mask:
    """Dots (num_rows, num_columns) of the polyline through a curve whose values are dot rows within the canvas.

    Each dot column is filled from the smallest to the largest row that the polyline has in it, so that of 50,000 points
    on 200 columns the one outlier is drawn.
    """
    top, bottom = np.full(num_columns, np.inf), np.full(num_columns, -np.inf)
    top[curve.column] = np.minimum(curve.lowest, curve.highest)
    bottom[curve.column] = np.maximum(curve.lowest, curve.highest)
    if len(curve.column) > 1:
        _connect(curve, top, bottom)
    row = np.arange(num_rows)[:, None]
    dots: Mask = (row >= np.rint(top)) & (row <= np.rint(bottom))
    return dots


def braille_codes(dots: Mask) -> NDArray[np.uint16]:
    """Unicode code points (rows / 4, columns / 2) of the braille characters that show `dots`."""
    codes = np.full((dots.shape[0] // 4, dots.shape[1] // 2), BLANK, np.uint16)
    for row, bits in enumerate(_DOT_BITS):
        for column, bit in enumerate(bits):
            codes |= dots[row::4, column::2] * bit
    return codes


def _connect(curve: Reduced, top: Floats, bottom: Floats) -> None:
    """Widen each column's extent to where the lines between neighbouring points cross its borders."""
    corners_x = np.repeat(curve.column, 2).astype(np.float64)
    corners_y = np.stack([curve.first, curve.last], axis=1).ravel()
    left = np.arange(curve.column[0], curve.column[-1])
    heights = np.interp(left + 0.5, corners_x, corners_y)
    for column in (left, left + 1):
        top[column] = np.minimum(top[column], heights)
        bottom[column] = np.maximum(bottom[column], heights)
