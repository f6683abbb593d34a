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
from vqtool.dash.plotting.scene import NO_CELL

HALF_BLOCK = "▀"
MAX_STYLES = 1 << 15

_pair_styles: dict[int, Style] = {}


def character_strip(codes: NDArray[np.uint32], roles: NDArray[np.uint8], styles: Sequence[Style]) -> Strip:
    """One line of code points (columns,), each styled by its role, an index into `styles`."""
    text = codes.astype("<u4").tobytes().decode("utf-32-le")
    segments = [Segment(text[start:end], styles[roles[start]]) for start, end in _runs(roles)]
    return Strip(segments, len(text))


def scene_strip(cells: NDArray[np.int32], codes: NDArray[np.uint32], background: Style) -> Strip:
    """One line of a scene: half blocks, characters over colours, and characters on the background."""
    segments = []
    is_text = codes != 0
    for start, end in _runs(cells.astype(np.int64) * 2 + is_text):
        cell = int(cells[start])
        text = codes[start:end].astype("<u4").tobytes().decode("utf-32-le") if is_text[start] else None
        if cell == NO_CELL:
            segments.append(Segment(text or " " * (end - start), background))
        elif text is None:
            segments.append(Segment(HALF_BLOCK * (end - start), _pair_style(cell)))
        else:
            segments.append(Segment(text, _text_style(cell)))
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


def _text_style(cell: int) -> Style:
    """Black or white, whichever is read better, on the lower colour of a cell."""
    _, (red, green, blue) = split_colours(cell)
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    grey = 20 if light else 245
    return Style(color=Color.from_rgb(grey, grey, grey), bgcolor=Color.from_rgb(red, green, blue))
