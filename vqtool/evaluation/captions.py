"""A line of text under a picture or a video."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vqtool.data import Frames

SMALLEST, LARGEST = 9, 24
"""Heights of letters, pixels: what can still be read, and what is large enough."""
INK, PAPER = (0, 0, 0), (255, 255, 255)
MARGIN = 3


def add_caption(frames: Frames, parts: list[str]) -> Frames:
    """Frames (..., H, W, 3) with `parts` below: on one line where they fit in some size, else on a line each.

    What is wider than the frames in the smallest letters is cut.
    """
    width = frames.shape[-2]
    lines = [", ".join(parts)]
    if _width(lines, SMALLEST) > width:
        lines = parts
    size = next((size for size in range(LARGEST, SMALLEST, -1) if _width(lines, size) <= width), SMALLEST)
    band = _band(lines, size, width)
    shape = (*frames.shape[:-3], *band.shape)
    return np.concatenate([frames, np.broadcast_to(band, shape)], axis=-3)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _width(lines: list[str], size: int) -> int:
    """Pixels across, with a margin on both sides."""
    return max(round(_font(size).getlength(line)) for line in lines) + 2 * MARGIN


def _band(lines: list[str], size: int, width: int) -> Frames:
    """The lines below each other, as (h, width, 3); h is even, as players of H.264 want it."""
    step = size + MARGIN
    height = len(lines) * step + 2 * MARGIN
    picture = Image.new("RGB", (width, height + height % 2), PAPER)
    for number, line in enumerate(lines):
        ImageDraw.Draw(picture).text((MARGIN, MARGIN + number * step), line, INK, _font(size))
    return np.asarray(picture)
