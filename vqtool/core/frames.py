"""Frames between the disk's convention, uint8 (B, T, H, W, 3), and the model's, float (B, T, 3, H, W) in [-1, 1]."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK_VALUES = 1 << 17
"""Values scaled at once on the CPU, so that the second operation finds them in its cache."""


def to_model(frames_BTHWC: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 RGB (B, T, H, W, 3) -> float32 (B, T, 3, H, W) in [-1, 1] on `device`, channels last in memory.

    Bytes travel to the device, pinned and asynchronously where it is a GPU, and are scaled there.
    """
    if device.type == "cpu":
        return torch.from_numpy(_scale(np.ascontiguousarray(frames_BTHWC))).movedim(-1, 2)
    frames = torch.from_numpy(frames_BTHWC)
    if device.type == "cuda":
        frames = frames.pin_memory().to(device, non_blocking=True)
    return frames.movedim(-1, 2).to(torch.float32).div_(127.5).sub_(1)


def _scale(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[0, 255] -> [-1, 1] in blocks and one thread: twice as fast as torch, whose threads wait for busy cores."""
    scaled = np.empty(frames.shape, dtype=np.float32)
    source, target = frames.reshape(-1), scaled.reshape(-1)
    for start in range(0, source.size, BLOCK_VALUES):
        block = target[start : start + BLOCK_VALUES]
        np.divide(source[start : start + BLOCK_VALUES], np.float32(127.5), out=block, dtype=np.float32)
        np.subtract(block, np.float32(1), out=block)
    return scaled


def to_uint8(frames_BTCHW: Tensor) -> NDArray[np.uint8]:
    """Float (B, T, 3, H, W) in [-1, 1] -> uint8 RGB (B, T, H, W, 3): clamped and rounded."""
    scaled = frames_BTCHW.detach().float().add(1).mul(127.5).clamp(0, 255).round()
    return scaled.to(torch.uint8).movedim(2, -1).cpu().numpy()
