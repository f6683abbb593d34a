"""Random changes to training clips on the device: mirror, crop, and jitter of brightness, contrast and saturation."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vqtool.core.config import AugmentConfig

Numbers = NDArray[np.float64]
LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in a grey level (ITU-R BT.601)."""


def augment(
    frames_BTCHW: Tensor, config: AugmentConfig, rng: np.random.Generator, rank: int = 0, num_ranks: int = 1
) -> Tensor:
    """Clips (B, T, 3, H, W) in [-1, 1], changed as `config` says; every frame of a clip in the same way.

    Parameters are drawn from `rng` on the CPU, so that every device changes the same clips in the same way. What is off
    draws nothing and touches nothing: with all off the result is the argument itself. The clips are slice `rank` of a
    batch `num_ranks` times as large, and change as they would in that batch.
    """
    mine = slice(rank * len(frames_BTCHW), (rank + 1) * len(frames_BTCHW))
    num_clips = len(frames_BTCHW) * num_ranks
    if config.flip:
        frames_BTCHW = flip(frames_BTCHW, rng.random(num_clips)[mine] < config.flip)
    if config.min_crop < 1:
        shares, places = rng.uniform(config.min_crop, 1, num_clips), rng.random((2, num_clips))
        frames_BTCHW = _crop_each(frames_BTCHW, shares[mine], places[:, mine])
    strengths = (config.brightness, config.contrast, config.saturation)
    if any(strengths):
        factors = [1 + strength * rng.uniform(-1, 1, num_clips)[mine] for strength in strengths]
        frames_BTCHW = jitter(frames_BTCHW, *(torch.from_numpy(factor) for factor in factors))
    return frames_BTCHW


def flip(frames_BTCHW: Tensor, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Tensor:
    """The clips with those `chosen` (B,) mirrored left to right."""
    mask = torch.from_numpy(chosen).to(frames_BTCHW.device)[:, None, None, None, None]
    return torch.where(mask, frames_BTCHW.flip(-1), frames_BTCHW)


def crop(frames_TCHW: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The rectangle of every frame, in pixels, brought back to the size of the frame (bilinear, half-pixel centres)."""
    part = frames_TCHW[..., top : top + height, left : left + width]
    return functional.interpolate(part, frames_TCHW.shape[-2:], mode="bilinear", align_corners=False)


def jitter(frames_BTCHW: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale levels, their distance to the clip's mean grey, and their distance to their own grey, one factor a clip.

    In this order, on [0, 1], clamped after each, as the image enhancers of Pillow and torchvision do; factors are (B,)
    and 1 changes nothing.
    """
    bright, contrasting, saturated = (
        factor.to(frames_BTCHW)[:, None, None, None, None] for factor in (brightness, contrast, saturation)
    )
    levels = ((frames_BTCHW + 1) / 2 * bright).clamp(0, 1)
    mean = _grey(levels).mean(dim=(1, 2, 3, 4), keepdim=True)
    levels = torch.lerp(mean, levels, contrasting).clamp(0, 1)
    levels = torch.lerp(_grey(levels), levels, saturated).clamp(0, 1)
    return levels * 2 - 1


def _crop_each(frames_BTCHW: Tensor, shares: Numbers, places: Numbers) -> Tensor:
    """Of each clip a rectangle of that share of its sides, at that place (2, B) of all places down and across."""
    height, width = frames_BTCHW.shape[-2:]
    cropped = torch.empty_like(frames_BTCHW)
    for clip, target, share, down, right in zip(frames_BTCHW, cropped, shares, *places, strict=True):
        tall, wide = max(round(share * height), 1), max(round(share * width), 1)
        target.copy_(crop(clip, int(down * (height - tall + 1)), int(right * (width - wide + 1)), tall, wide))
    return cropped


def _grey(levels_BTCHW: Tensor) -> Tensor:
    """(B, T, 1, H, W)."""
    weights = levels_BTCHW.new_tensor(LUMA)[:, None, None]
    return (levels_BTCHW * weights).sum(dim=2, keepdim=True)
