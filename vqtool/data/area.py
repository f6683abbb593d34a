"""Shrinking frames by exact area averaging, with whole numbers as weights.

Where h of H rows are kept, a row of the result covers H / h source rows. In units of 1 / h of a row that is H / g units
a result row and h / g units a source row (g their greatest common divisor): whole numbers, so that every sum below 2^24
is exact in fp32 and the result does not depend on the order of the sums, hence not on the machine. Rows and columns
repeat after H / g source rows: one small matrix an axis serves all g blocks.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vqtool.data import Frames

Weights = NDArray[np.float32]


def average_areas(frames: Frames, height: int, width: int) -> Frames:
    """Shrink uint8 frames (T, H, W, C) to (T, height, width, C), neither axis growing; rounds halves as OpenCV does."""
    num_frames, old_height, old_width, channels = frames.shape
    rows, columns = _block_weights(old_height, height), _channel_weights(old_width, width, channels)
    row_blocks, column_blocks = math.gcd(old_height, height), math.gcd(old_width, width)
    halved = (old_height, old_width) == (2 * height, 2 * width)
    area = np.float32(rows[0].sum() * columns[:, 0].sum())

    wide = np.empty((row_blocks, old_height // row_blocks, old_width * channels), dtype=np.float32)
    short = np.empty((row_blocks, height // row_blocks, old_width * channels), dtype=np.float32)
    sums = np.empty((height * column_blocks, columns.shape[1]), dtype=np.float32)
    resized = np.empty((num_frames, height, width, channels), dtype=np.uint8)
    for frame, target in zip(frames, resized, strict=True):
        np.copyto(wide, frame.reshape(wide.shape))
        np.matmul(rows, wide, out=short)
        np.matmul(short.reshape(height * column_blocks, -1), columns, out=sums)
        np.divide(sums, area, out=sums)
        # OpenCV rounds halves up for the exact half size, and to even elsewhere.
        np.floor(sums + 0.5, out=sums) if halved else np.rint(sums, out=sums)
        target.reshape(sums.shape)[:] = sums
    return resized


@lru_cache(maxsize=32)
def _block_weights(old: int, new: int) -> Weights:
    """(new / g, old / g): how many units of each source row of a block lie in each row of the result."""
    blocks = math.gcd(old, new)
    old, new = old // blocks, new // blocks
    first_new, first_old = old * np.arange(new)[:, None], new * np.arange(old)[None, :]
    shared = np.minimum(first_new + old, first_old + new) - np.maximum(first_new, first_old)
    weights: Weights = np.maximum(shared, 0).astype(np.float32)
    return weights


@lru_cache(maxsize=32)
def _channel_weights(old: int, new: int, channels: int) -> Weights:
    """(old / g * C, new / g * C): the same for columns, to multiply from the right, the channels apart."""
    return np.ascontiguousarray(np.kron(_block_weights(old, new), np.eye(channels, dtype=np.float32)).T)
