"""Frames between the disk's convention, uint8 (B, T, H, W, 3), and the model's, float (B, T, 3, H, W) in [-1, 1]."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class LazyClips(Protocol):
    """Clips, uint8 RGB (B, T, H, W, 3), of which slices are read when they are taken."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, T, H, W, 3)."""

    def __getitem__(self, chosen: slice, /) -> NDArray[np.uint8]:
        """Some of the clips."""


Clips = NDArray[np.uint8] | LazyClips
MIDDLE = 127.5
"""The grey level that becomes 0."""
_MIDDLE, _SCALE = np.float32(MIDDLE), np.float32(1 / MIDDLE)
BLOCK_PIXELS = 8 * 64 * 64
"""Pixels that are scaled at a time: few calls, and what one operation leaves is in the cache for the next."""
HUGE_PAGE_BYTES = 1 << 21
KEPT_BATCHES = 3
"""One that comes, one that was given out, and the one before, which nobody may have dropped yet."""


class FrameMemory:
    """Memory for the batches of a stream on the CPU, used again once nobody holds the batch that was in it.

    Fresh pages for a batch take the system as long to hand out as scaling takes, and the memory that was used last may
    still be in the cache.
    """

    def __init__(self) -> None:
        self._lent: list[_Lent] = []

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """Uninitialised fp32 values of this shape; no earlier tensor that is still in use shares them."""
        fitting = [lent for lent in self._lent if lent.memory.size == prod(shape)]
        free = [lent.memory for lent in fitting if lent.batch() is None]
        memory = free[-1] if free else _aligned(prod(shape))
        # Every tensor that shares this one's memory keeps the array alive that it was made from.
        array = memory.reshape(shape)
        others = [lent for lent in fitting if lent.memory is not memory]
        self._lent = [*others, _Lent(memory, weakref.ref(array))][-KEPT_BATCHES:]
        return torch.from_numpy(array)


@dataclass(frozen=True)
class _Lent:
    """Memory, and the batch that was last in it as long as somebody holds that."""

    memory: NDArray[np.float32]
    batch: Callable[[], NDArray[np.float32] | None]


def _aligned(num_values: int) -> NDArray[np.float32]:
    """Uninitialised fp32 values from the start of a huge page on: NumPy asks for such pages, whole ones are given."""
    room = np.empty(num_values * 4 + HUGE_PAGE_BYTES, dtype=np.uint8)
    start = -room.ctypes.data % HUGE_PAGE_BYTES
    return room[start : start + num_values * 4].view(np.float32)


def to_model(clips_BTHWC: Clips, device: torch.device, memory: FrameMemory | None = None) -> Tensor:
    """uint8 RGB (B, T, H, W, 3) -> float32 (B, T, 3, H, W) in [-1, 1] on `device`, channels last in memory.

    Lazy clips are read a few at a time, in the cache. Bytes travel to a GPU, pinned and asynchronously, and are scaled
    there. A stream of batches for the CPU does well to share `memory`.
    """
    shape = clips_BTHWC.shape
    clips_a_block = max(1, BLOCK_PIXELS // prod(shape[1:-1]))
    blocks = [slice(start, start + clips_a_block) for start in range(0, shape[0], clips_a_block)]
    if device.type == "cpu":
        scaled = (memory or FrameMemory()).take(shape)
        for block in blocks:
            _scale(clips_BTHWC[block], scaled.numpy()[block])
        return scaled.movedim(-1, 2)
    pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    for block in blocks:
        pixels.numpy()[block] = clips_BTHWC[block]
    return pixels.to(device, non_blocking=True).movedim(-1, 2).to(torch.float32).sub_(MIDDLE).mul_(1 / MIDDLE)


def _scale(clips_BTHWC: NDArray[np.uint8], scaled_BTHWC: NDArray[np.float32]) -> None:
    """[0, 255] -> [-1, 1] for a few clips. One thread: torch's would wait for busy cores."""
    np.copyto(scaled_BTHWC, clips_BTHWC)
    np.subtract(scaled_BTHWC, _MIDDLE, out=scaled_BTHWC)
    np.multiply(scaled_BTHWC, _SCALE, out=scaled_BTHWC)


def to_uint8(frames_BTCHW: Tensor) -> NDArray[np.uint8]:
    """Float (B, T, 3, H, W) in [-1, 1] -> uint8 RGB (B, T, H, W, 3): clamped and rounded."""
    scaled = frames_BTCHW.detach().float().add(1).mul(127.5).clamp(0, 255).round()
    return scaled.to(torch.uint8).movedim(2, -1).cpu().numpy()
