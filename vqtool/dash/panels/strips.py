"""Arrays of characters and colours turned into the styled lines that Textual draws."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from vqtool.dash.plotting.picture import split_colours

NO_CELL = -1
HALF_BLOCK = "▀"
MAX_STYLES = 1 << 15

_pair_styles: dict[int, Style] = {}


def character_strip(codes: NDArray[np.uint32], roles: NDArray[np.uint8], styles: Sequence[Style]) -> Strip:
    """One line of code points (columns,), each styled by its role, an index into `styles`."""
    text = codes.astype("<u4").tobytes().decode("utf-32-le")
    segments = [Segment(text[start:end], styles[roles[start]]) for start, end in _runs(roles)]
    return Strip(segments, len(text))


def picture_strip(cells: NDArray[np.int32], background: Style) -> Strip:
    """One line of half blocks from colour pairs (columns,); `NO_CELL` is a blank of the background."""
    segments = []
    for start, end in _runs(cells):
        cell = int(cells[start])
        character, style = (" ", background) if cell == NO_CELL else (HALF_BLOCK, _pair_style(cell))
        segments.append(Segment(character * (end - start), style))
    return Strip(segments, len(cells))


def text_strip(text: str, width: int, style: Style) -> Strip:
    """One line of text, cut or filled to `width` cells."""
    return Strip([Segment(text, style)]).adjust_cell_length(width, style)


def _runs(values: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of equal values."""
    borders = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return pairwise(borders) if len(values) else iter(())


def _pair_style(cell: int) -> Style:
    """The style of a colour pair, from a cache of our own: rich's and Textual's hold too few for pictures."""
    style = _pair_styles.get(cell)
    if style is None:
        if len(_pair_styles) >= MAX_STYLES:
            _pair_styles.clear()
        upper, lower = split_colours(cell)
        style = _pair_styles[cell] = Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
    return style
