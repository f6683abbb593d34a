"""Which codes paint a frame: grids of tokens as colours, and the place of their numbers."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.plotting.picture import Pixels, resize

Tokens = NDArray[np.integer]
OVERLAY_SHARE = 0.55
_HUE_STEP, _VALUE_STEP = 0.6180339887, 0.7548776662
"""Multiples of these, modulo 1, never come close to each other soon: neighbouring codes differ in colour."""


@dataclass(frozen=True)
class TokenPart:
    """The tokens of one codebook for every frame of a clip: `grids` (T, h, w), numbered from that codebook's start."""

    name: str
    grids: Tokens


def token_parts(
    tokens: Tokens, context: Tokens | None, codebook_sizes: Sequence[int], segment_frames: int
) -> list[TokenPart]:
    """The tokens (T, h, w) of a clip's frames, and of its context (S, h, w), apart by codebook.

    A position with several codes has them in rows below each other, one block a codebook, and tokens count through the
    codebooks in order (docs/quantizers.md). What does not fit `codebook_sizes` stays one part.
    """
    parts = _by_codebook("codes", tokens, codebook_sizes)
    if parts and context is not None and context.ndim == 3 and len(context):
        length = segment_frames or -(-len(tokens) // len(context))
        segments = np.minimum(np.arange(len(tokens)) // length, len(context) - 1)
        parts += _by_codebook("context", context[segments], codebook_sizes)
    return parts


def _by_codebook(name: str, grids: Tokens, codebook_sizes: Sequence[int]) -> list[TokenPart]:
    if grids.ndim != 3 or not grids.size:
        return []
    ends = np.array([*accumulate(codebook_sizes)], dtype=np.int64)
    books_THW = np.searchsorted(ends, grids, side="right")
    rows = books_THW[0, :, 0]
    consistent = bool((books_THW == rows[None, :, None]).all()) and (not len(ends) or rows.max() < len(ends))
    if not len(ends) or not consistent or np.any(np.diff(rows) < 0):
        return [TokenPart(name, grids.astype(np.int64))]
    starts = np.concatenate([[0], ends])
    books = np.unique(rows)
    titles = [name] if len(books) == 1 else [f"{name} level {level}" for level in range(1, len(books) + 1)]
    return [
        TokenPart(title, grids[:, rows == book].astype(np.int64) - starts[book])
        for title, book in zip(titles, books, strict=True)
    ]


def code_colours(tokens: Tokens) -> Pixels:
    """A colour of its own for every code: tokens (h, w) to pixels (h, w, 3)."""
    codes, places = np.unique(tokens, return_inverse=True)
    palette = np.array([_colour(int(code)) for code in codes], dtype=np.uint8).reshape(-1, 3)
    return palette[places.reshape(tokens.shape)]


def overlay(picture: Pixels, tokens: Tokens) -> Pixels:
    """A picture (H, W, 3) tinted by the codes (h, w) that painted it."""
    tint = resize(code_colours(tokens), *picture.shape[:2]).astype(np.float32)
    return np.rint(picture + (tint - picture) * OVERLAY_SHARE).astype(np.uint8)


@dataclass(frozen=True)
class PlacedNumber:
    """A number as text at a cell of a picture."""

    row: int
    column: int
    text: str


def place_numbers(tokens: Tokens, rows: int, columns: int, gap: int = 0) -> list[PlacedNumber]:
    """The codes (h, w) in the middle of their areas of a picture of `rows` x `columns` cells, `gap` cells apart.

    None where one would be cut.
    """
    height, width = tokens.shape
    longest = len(str(tokens.max(initial=0)))
    if columns // width < longest + gap or rows < height:
        return []
    middle_rows = (np.arange(height) * 2 + 1) * rows // (2 * height)
    starts = -(-np.arange(width + 1) * columns // width)
    return [
        PlacedNumber(int(row), int(starts[j] + (starts[j + 1] - starts[j] - len(text)) // 2), text)
        for i, row in enumerate(middle_rows)
        for j, text in enumerate(str(code) for code in tokens[i])
    ]


def _colour(code: int) -> tuple[int, int, int]:
    """Bright enough to be told from black, dark enough to be told from white."""
    red, green, blue = colorsys.hsv_to_rgb(code * _HUE_STEP % 1, 0.75, 0.45 + 0.5 * (code * _VALUE_STEP % 1))
    return int(red * 255), int(green * 255), int(blue * 255)
