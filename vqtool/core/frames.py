"""Frames between the disk's convention, uint8 (B, T, H, W, 3), and the model's, float (B, T, 3, H, W) in [-1, 1]."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_model(frames_BTHWC: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 RGB (B, T, H, W, 3) -> float32 (B, T, 3, H, W) in [-1, 1] on `device`, channels last in memory.

    Bytes travel to the device, pinned and asynchronously where it is a GPU, and are scaled there.
    """
    frames = torch.from_numpy(frames_BTHWC)
    if device.type == "cuda":
        frames = frames.pin_memory().to(device, non_blocking=True)
    return frames.movedim(-1, 2).to(torch.float32).div_(127.5).sub_(1)


def to_uint8(frames_BTCHW: Tensor) -> NDArray[np.uint8]:
    """Float (B, T, 3, H, W) in [-1, 1] -> uint8 RGB (B, T, H, W, 3): clamped and rounded."""
    scaled = frames_BTCHW.detach().float().add(1).mul(127.5).clamp(0, 255).round()
    return scaled.to(torch.uint8).movedim(2, -1).cpu().numpy()
