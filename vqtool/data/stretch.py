"""Growing frames along one axis or both, by sparse matrices, with the weights that OpenCV gives to neighbours."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vqtool.data import Frames

Weights: TypeAlias = NDArray[np.float64]
CUBIC_A = -0.75
"""The free parameter of the cubic kernel (Keys 1981), as OpenCV sets it."""


def stretch(frames: Frames, height: int, width: int) -> Frames:
    """Resize uint8 frames (T, H, W, C) to (T, height, width, C): bicubic where they grow, along one axis linear."""
    num_frames, old_height, old_width, channels = frames.shape
    rows, columns = _matrices(old_height, old_width, height, width, channels)
    resized = np.empty((num_frames, height, width, channels), dtype=np.uint8)
    for frame, target in zip(frames, resized, strict=True):
        wide = frame.reshape(old_height, old_width * channels).astype(np.float32)
        values = columns @ np.ascontiguousarray((rows @ wide).T)
        np.rint(values, out=values)
        np.clip(values, 0, 255, out=values)
        target.reshape(height, width * channels)[:] = values.T
    return resized


@lru_cache(maxsize=32)
def _matrices(
    old_height: int, old_width: int, height: int, width: int, channels: int
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """The matrices that map (H, W * C) to (height, W * C), and (W * C, height) to (width * C, height)."""
    kernel = _cubic_weights if height * width >= old_height * old_width else _stretch_weights
    rows = sparse.csr_array(kernel(old_height, height).astype(np.float32))
    per_channel = sparse.csr_array(kernel(old_width, width).astype(np.float32))
    columns = sparse.csr_array(sparse.kron(per_channel, sparse.eye_array(channels, dtype=np.float32), format="csr"))
    return rows, columns


def _stretch_weights(old: int, new: int) -> Weights:
    """(new, old): what INTER_AREA does when one axis grows while the other shrinks: two neighbours, cell-aligned."""
    target = np.arange(new)
    inverse = new / old
    # The reciprocal of the reciprocal, as OpenCV has it: a whole old / new may come out a pixel lower.
    left = np.floor(target * (1 / inverse)).astype(np.int64)
    share = ((target + 1) - (left + 1) * inverse).astype(np.float32)
    share = np.where(share <= 0, np.float32(0), share - np.floor(share)).astype(np.float64)
    return _scatter(old, left, np.stack([1 - share, share], axis=1))


def _cubic_weights(old: int, new: int) -> Weights:
    """(new, old): the four neighbours of each new pixel's centre under the cubic kernel."""
    centre = (np.arange(new) + 0.5) * (old / new) - 0.5
    left = np.floor(centre).astype(np.int64)
    x = centre - left
    far, near = 1 + x, 1 - x
    weights = np.empty((new, 4))
    weights[:, 0] = ((CUBIC_A * far - 5 * CUBIC_A) * far + 8 * CUBIC_A) * far - 4 * CUBIC_A
    weights[:, 1] = ((CUBIC_A + 2) * x - (CUBIC_A + 3)) * x * x + 1
    weights[:, 2] = ((CUBIC_A + 2) * near - (CUBIC_A + 3)) * near * near + 1
    weights[:, 3] = 1 - weights[:, :3].sum(axis=1)
    return _scatter(old, left - 1, weights)


def _scatter(old: int, first: NDArray[np.int64], weights: Weights) -> Weights:
    """(new, old): row i has `weights[i]` from column `first[i]` on; what falls outside goes to the edge pixel."""
    num_new, taps = weights.shape
    matrix = np.zeros((num_new, old))
    columns = np.clip(first[:, None] + np.arange(taps), 0, old - 1)
    np.add.at(matrix, (np.arange(num_new)[:, None], columns), weights)
    return matrix
