"""Frames of any size as tiles of a tokenizer's frame, and their tokens as one grid."""

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from vqtool.data import Frames


def tile_counts(height: int, width: int, side: int) -> tuple[int, int]:
    """How many tiles of `side` x `side` pixels cover a frame: down, across."""
    return -(-height // side), -(-width // side)


def to_tiles(frames: Frames, side: int) -> Frames:
    """Frames (T, H, W, 3) -> tiles (N, T, side, side, 3), row by row; what lies outside repeats the edge."""
    _, height, width, _ = frames.shape
    down, across = tile_counts(height, width, side)
    padding = ((0, 0), (0, down * side - height), (0, across * side - width), (0, 0))
    padded = np.pad(frames, padding, mode="edge") if any(sum(pair) for pair in padding) else frames
    return rearrange(padded, "t (n h) (m w) c -> (n m) t h w c", h=side, w=side)


def from_tiles(tiles: Frames, height: int, width: int) -> Frames:
    """Tiles (N, T, side, side, 3) -> frames (T, H, W, 3)."""
    across = tile_counts(height, width, tiles.shape[2])[1]
    frames = rearrange(tiles, "(n m) t h w c -> t (n h) (m w) c", m=across)
    return np.ascontiguousarray(frames[:, :height, :width])


def join_grids(tokens_NTHW: NDArray[np.int64], across: int, num_blocks: int) -> NDArray[np.int64]:
    """Tokens of each tile (N, T, h, w) -> one grid (T, H, W); each block of rows is put together by itself."""
    return rearrange(tokens_NTHW, "(n m) t (p h) w -> t (p n h) (m w)", m=across, p=num_blocks)


def split_grids(tokens_THW: NDArray[np.int64], down: int, across: int, num_blocks: int) -> NDArray[np.int64]:
    """The inverse of `join_grids`."""
    return rearrange(tokens_THW, "t (p n h) (m w) -> (n m) t (p h) w", n=down, m=across, p=num_blocks)
