"""Pictures as sixels, the graphics of DEC's VT340: bands of six rows, colour by colour.

https://vt100.net/docs/vt3xx-gp/chapter14.html
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.plotting.picture import Pixels

LEVELS = 6
"""Levels a channel: 216 colours, of the 256 that terminals have."""
BAND = 6
MIN_REPEAT = 4


def encode(picture: Pixels) -> str:
    """The escape sequence that draws a picture (H, W, 3) at the cursor, a pixel a dot."""
    height, width, _ = picture.shape
    levels = (picture.astype(np.int64) * (LEVELS - 1) + 127) // 255
    colours_HW = (levels[..., 0] * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    palette = "".join(_define(int(colour)) for colour in np.unique(colours_HW))
    bands = (colours_HW[top : top + BAND] for top in range(0, height, BAND))
    return f'\x1bP0;1;0q"1;1;{width};{height}{palette}' + "-".join(map(_band, bands)) + "\x1b\\"


def _define(colour: int) -> str:
    """A colour as percentages of red, green and blue."""
    channels = (colour // LEVELS**2, colour // LEVELS % LEVELS, colour % LEVELS)
    return f"#{colour};2;" + ";".join(str(channel * 100 // (LEVELS - 1)) for channel in channels)


def _band(colours: NDArray[np.int64]) -> str:
    """Up to six rows: for each colour, a character a column whose bits are the rows that have it."""
    present = np.unique(colours)
    weights = 1 << np.arange(len(colours))
    bits = np.einsum("chw,h->cw", colours[None] == present[:, None, None], weights)
    return "$".join(f"#{colour}" + "".join(_runs(row)) for colour, row in zip(present, bits, strict=True))


def _runs(bits: NDArray[np.int64]) -> Iterator[str]:
    borders = [0, *(np.flatnonzero(np.diff(bits)) + 1).tolist(), len(bits)]
    for start, end in pairwise(borders):
        character = chr(63 + int(bits[start]))
        yield f"!{end - start}{character}" if end - start >= MIN_REPEAT else character * (end - start)
