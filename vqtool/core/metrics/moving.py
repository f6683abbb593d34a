"""PSNR of what moves and of what does not: in a still scene the mean of both hides a robot that never moves."""

import torch
from torch import Tensor

from vqtool.core.metrics.base import ClipMetric
from vqtool.core.metrics.psnr import MAX_DB

MOVED = 12 / 255
"""A pixel moves where a channel is further than this from the clip's mean at that place, in [0, 1]."""


def moving_pixels(frames_BTCHW: Tensor, mean_BCHW: Tensor) -> Tensor:
    """Which pixels of each frame move, bool (B, T, H, W): those off their clip's mean; values in [0, 1]."""
    return ((frames_BTCHW - mean_BCHW[:, None]).abs() > MOVED).any(dim=2)


def masked_psnr(real_BTCHW: Tensor, fake_BTCHW: Tensor, mask_BTHW: Tensor) -> Tensor:
    """PSNR of each clip (B,), dB, at most `MAX_DB`, over the pixels of the mask, in all frames together.

    A clip that has no such pixel is scored by all it has.
    """
    mask_BTHW = mask_BTHW | ~mask_BTHW.flatten(1).any(dim=1)[:, None, None, None]
    error_BTHW = (real_BTCHW - fake_BTCHW).square().mean(dim=2, dtype=torch.float64)
    mse_B = (error_BTHW * mask_BTHW).flatten(1).sum(dim=1) / mask_BTHW.flatten(1).sum(dim=1)
    return (-10 * mse_B.log10()).float().clamp(max=MAX_DB)


class MovingPsnr(ClipMetric):
    """PSNR of the pixels that are not where the clip's mean has them: the robot, what it moves, and their shadows."""

    name = "psnr_moving"
    unit = "dB"
    higher_is_better = True
    min_frames = 2

    def score_clips(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """PSNR of each clip's moving pixels, (B,)."""
        return masked_psnr(real_BTCHW, fake_BTCHW, moving_pixels(real_BTCHW, real_BTCHW.mean(dim=1)))


class StaticPsnr(ClipMetric):
    """PSNR of all other pixels: the scene."""

    name = "psnr_static"
    unit = "dB"
    higher_is_better = True
    min_frames = 2

    def score_clips(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """PSNR of each clip's static pixels, (B,)."""
        return masked_psnr(real_BTCHW, fake_BTCHW, ~moving_pixels(real_BTCHW, real_BTCHW.mean(dim=1)))
