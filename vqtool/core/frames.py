"""Frames between the disk's convention, uint8 (B, T, H, W, 3), and the model's, float (B, T, 3, H, W) in [-1, 1]."""

import weakref
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Clips = NDArray[np.uint8] | Sequence[NDArray[np.uint8]]
MIDDLE = 127.5
"""The grey level that becomes 0."""
_MIDDLE, _SCALE = np.float32(MIDDLE), np.float32(1 / MIDDLE)
BLOCK_PIXELS = 8 * 64 * 64
"""Pixels that are scaled at a time: few calls, and what one operation leaves is in the cache for the next."""
HUGE_PAGE_BYTES = 1 << 21


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
            self._memory = _aligned(prod(shape))
        # Every tensor that shares this one's memory keeps the array alive that it was made from.
        array = self._memory.reshape(shape)
        self._last = weakref.ref(array)
        return torch.from_numpy(array)


def _aligned(num_values: int) -> NDArray[np.float32]:
    """Uninitialised fp32 values from the start of a huge page on: NumPy asks for such pages, whole ones are given."""
    room = np.empty(num_values * 4 + HUGE_PAGE_BYTES, dtype=np.uint8)
    start = -room.ctypes.data % HUGE_PAGE_BYTES
    return room[start : start + num_values * 4].view(np.float32)


def to_model(clips_BTHWC: Clips, device: torch.device, memory: FrameMemory | None = None) -> Tensor:
    """uint8 RGB (B, T, H, W, 3) -> float32 (B, T, 3, H, W) in [-1, 1] on `device`, channels last in memory.

    One array, or an array a clip: views of a store go from there to where they are needed in one pass. Bytes travel to
    a GPU, pinned and asynchronously, and are scaled there. A stream of batches for the CPU does well to share `memory`.
    """
    shape = (len(clips_BTHWC), *clips_BTHWC[0].shape)
    if device.type == "cpu":
        scaled = (memory or FrameMemory()).take(shape)
        clips_a_block = max(1, BLOCK_PIXELS // prod(shape[1:-1]))
        for start in range(0, len(clips_BTHWC), clips_a_block):
            block = slice(start, start + clips_a_block)
            _scale(clips_BTHWC[block], scaled.numpy()[block])
        return scaled.movedim(-1, 2)
    pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.concatenate(clips_BTHWC, out=pixels.numpy().reshape(-1, *shape[2:]))
    return pixels.to(device, non_blocking=True).movedim(-1, 2).to(torch.float32).sub_(MIDDLE).mul_(1 / MIDDLE)


def _scale(clips_BTHWC: Clips, scaled_BTHWC: NDArray[np.float32]) -> None:
    """[0, 255] -> [-1, 1] for a few clips, gathered and turned into floats by one call.

    One thread: torch's would wait for busy cores.
    """
    np.concatenate(clips_BTHWC, out=scaled_BTHWC.reshape(-1, *scaled_BTHWC.shape[2:]), casting="unsafe")
    np.subtract(scaled_BTHWC, _MIDDLE, out=scaled_BTHWC)
    np.multiply(scaled_BTHWC, _SCALE, out=scaled_BTHWC)


def to_uint8(frames_BTCHW: Tensor) -> NDArray[np.uint8]:
    """Float (B, T, 3, H, W) in [-1, 1] -> uint8 RGB (B, T, H, W, 3): clamped and rounded."""
    scaled = frames_BTCHW.detach().float().add(1).mul(127.5).clamp(0, 255).round()
    return scaled.to(torch.uint8).movedim(2, -1).cpu().numpy()
