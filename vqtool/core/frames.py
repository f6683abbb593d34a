"""Frames between the disk's convention, uint8 (B, T, H, W, 3), and the model's, float (B, T, 3, H, W) in [-1, 1]."""

import weakref
from collections.abc import Callable
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_VALUES = 1 << 17
"""Values scaled at once on the CPU, so that the second operation finds them in its cache."""


class FrameMemory:
    """Memory for the batches of a stream on the CPU, used again once nobody holds the batch before.

    Fresh pages for a batch take the system as long to hand out as scaling takes.
    """

    def __init__(self) -> None:
        self._memory: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._last: Callable[[], NDArray[np.float32] | None] = lambda: None

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """Uninitialised fp32 values of this shape; no earlier tensor that is still in use shares them."""
        if self._memory.size != prod(shape) or self._last() is not None:
            self._memory = np.empty(prod(shape), dtype=np.float32)
        # Every tensor that shares this one's memory keeps the array alive that it was made from.
        array = self._memory.reshape(shape)
        self._last = weakref.ref(array)
        return torch.from_numpy(array)


def to_model(frames_BTHWC: NDArray[np.uint8], device: torch.device, memory: FrameMemory | None = None) -> Tensor:
    """uint8 RGB (B, T, H, W, 3) -> float32 (B, T, 3, H, W) in [-1, 1] on `device`, channels last in memory.

    Bytes travel to the device, pinned and asynchronously where it is a GPU, and are scaled there. A stream of batches
    for the CPU does well to share one `memory`.
    """
    if device.type == "cpu":
        scaled = (memory or FrameMemory()).take(frames_BTHWC.shape)
        _scale(np.ascontiguousarray(frames_BTHWC), scaled.numpy())
        return scaled.movedim(-1, 2)
    frames = torch.from_numpy(frames_BTHWC)
    if device.type == "cuda":
        frames = frames.pin_memory().to(device, non_blocking=True)
    return frames.movedim(-1, 2).to(torch.float32).div_(127.5).sub_(1)


def _scale(frames: NDArray[np.uint8], scaled: NDArray[np.float32]) -> None:
    """[0, 255] -> [-1, 1] in blocks and one thread: twice as fast as torch, whose threads wait for busy cores."""
    source, target = frames.reshape(-1), scaled.reshape(-1)
    for start in range(0, source.size, BLOCK_VALUES):
        block = target[start : start + BLOCK_VALUES]
        np.divide(source[start : start + BLOCK_VALUES], np.float32(127.5), out=block, dtype=np.float32)
        np.subtract(block, np.float32(1), out=block)


def to_uint8(frames_BTCHW: Tensor) -> NDArray[np.uint8]:
    """Float (B, T, 3, H, W) in [-1, 1] -> uint8 RGB (B, T, H, W, 3): clamped and rounded."""
    scaled = frames_BTCHW.detach().float().add(1).mul(127.5).clamp(0, 255).round()
    return scaled.to(torch.uint8).movedim(2, -1).cpu().numpy()
