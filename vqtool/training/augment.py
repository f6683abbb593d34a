"""Random changes to training clips on the device: mirror, shift, crop, jitter of brightness, contrast, saturation."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vqtool.core.config import AugmentConfig

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in a grey level (ITU-R BT.601)."""
CPU_CHUNK = 2**18
"""Values that a CPU changes at once, so that they stay in its cache."""


def augment(
    frames_BTCHW: Tensor, config: AugmentConfig, rng: np.random.Generator, rank: int = 0, num_ranks: int = 1
) -> Tensor:
    """Change clips (B, T, 3, H, W) in [-1, 1] as `config` says, in place; every frame of a clip in the same way.

    Parameters are drawn from `rng` on the CPU, so that every device changes the same clips in the same way. What is off
    draws nothing and touches nothing. The clips are slice `rank` of a batch `num_ranks` times as large, and change as
    they would in that batch. Gives the clips; quickest where channels lie last in memory.
    """
    mine = slice(rank * len(frames_BTCHW), (rank + 1) * len(frames_BTCHW))
    num_clips = len(frames_BTCHW) * num_ranks
    if config.flip:
        flip_(frames_BTCHW, rng.random(num_clips)[mine] < config.flip)
    if config.shift:
        _shift_each_(frames_BTCHW, config.shift, rng.random((2, num_clips))[:, mine])
    if config.min_crop < 1:
        shares, places = rng.uniform(config.min_crop, 1, num_clips), rng.random((2, num_clips))
        _crop_each_(frames_BTCHW, shares[mine], places[:, mine])
    strengths = (config.brightness, config.contrast, config.saturation)
    if any(strengths):
        factors = [1 + strength * rng.uniform(-1, 1, num_clips)[mine] for strength in strengths]
        jitter_(frames_BTCHW, *(torch.from_numpy(factor) for factor in factors))
    return frames_BTCHW


def flip_(frames_BTCHW: Tensor, chosen: Flags) -> None:
    """Mirror the clips `chosen` (B,) left to right."""
    for number in chosen.nonzero()[0].tolist():
        frames_BTCHW[number] = frames_BTCHW[number].flip(-1)


def shift_(frames_TCHW: Tensor, down: int, across: int) -> None:
    """Move every frame by whole pixels, less than its side; what comes in at an edge is the mirror image there.

    Random shifts are those of Kostrikov et al. 2020, "Image Augmentation Is All You Need", section 3.1, who repeat the
    pixel at the edge. Unlike a crop that is resized they leave textures as sharp as they are.
    """
    height, width = frames_TCHW.shape[-2:]
    top, bottom, left, right = max(down, 0), max(-down, 0), max(across, 0), max(-across, 0)
    around = functional.pad(frames_TCHW, (left, right, top, bottom), mode="reflect")
    frames_TCHW.copy_(around[..., bottom : bottom + height, right : right + width])


def crop(frames_TCHW: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The rectangle of every frame, in pixels, brought back to the size of the frame (bilinear, half-pixel centres)."""
    part = frames_TCHW[..., top : top + height, left : left + width]
    return functional.interpolate(part, frames_TCHW.shape[-2:], mode="bilinear", align_corners=False)


def jitter_(frames_BTCHW: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> None:
    """Scale levels, their distance to the clip's mean grey, and their distance to their own grey, one factor a clip.

    In this order, on [0, 1], clamped after each, as the image enhancers of Pillow and torchvision do; factors are (B,)
    and 1 changes nothing.
    """
    factors_B3 = torch.stack([brightness, contrast, saturation], dim=1).to(frames_BTCHW)
    pixels_BTHWC = frames_BTCHW.movedim(2, -1)
    chunk = len(frames_BTCHW)
    if frames_BTCHW.device.type == "cpu":
        chunk = max(CPU_CHUNK // frames_BTCHW[0].numel(), 1)
    for pixels, factors in zip(torch.split(pixels_BTHWC, chunk), torch.split(factors_B3, chunk), strict=True):
        _jitter_chunk_(pixels, factors[:, :, None, None, None, None])


def _jitter_chunk_(pixels_BTHWC: Tensor, factors: Tensor) -> None:
    brightness, contrast, saturation = factors.unbind(1)
    luma = pixels_BTHWC.new_tensor(LUMA)
    levels_BTHWC = pixels_BTHWC.add_(1).mul_(brightness / 2).clamp_(0, 1)
    mean = (levels_BTHWC.mean(dim=(1, 2, 3)) @ luma)[:, None, None, None, None]
    levels_BTHWC.mul_(contrast).add_(mean * (1 - contrast)).clamp_(0, 1)
    # What is right of the sign is the same grey for the three channels.
    mix_B133 = saturation * torch.eye(3, device=luma.device) + (1 - saturation) * luma[:, None]
    torch.clamp(levels_BTHWC @ mix_B133, 0, 1, out=levels_BTHWC)
    levels_BTHWC.mul_(2).sub_(1)


def _shift_each_(frames_BTCHW: Tensor, share: float, places: Numbers) -> None:
    """Each clip by that place (2, B) of all shifts of at most this share of its sides."""
    height, width = frames_BTCHW.shape[-2:]
    for clip, down, across in zip(frames_BTCHW, *places, strict=True):
        shift_(clip, _shift(share, height, down), _shift(share, width, across))


def _shift(share: float, size: int, place: float) -> int:
    most = round(share * size)
    return int(place * (2 * most + 1)) - most


def _crop_each_(frames_BTCHW: Tensor, shares: Numbers, places: Numbers) -> None:
    """Of each clip a rectangle of that share of its sides, at that place (2, B) of all places down and across."""
    height, width = frames_BTCHW.shape[-2:]
    for clip, share, down, right in zip(frames_BTCHW, shares, *places, strict=True):
        tall, wide = max(round(share * height), 1), max(round(share * width), 1)
        clip.copy_(crop(clip, int(down * (height - tall + 1)), int(right * (width - wide + 1)), tall, wide))
