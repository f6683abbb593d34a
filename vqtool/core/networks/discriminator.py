"""PatchGAN: discriminators that judge overlapping patches, of frames or of clips (Isola et al. 2017, section 3.2.2)."""

import itertools
from abc import ABC, abstractmethod
from typing import assert_never

import torch
from torch import Tensor, nn

from vqtool.core.config import LossConfig
from vqtool.core.networks.blocks import group_norm
from vqtool.errors import ConfigError

SLOPE = 0.2
INITIAL_DEVIATION = 0.02
"""Isola et al. 2017, section 6.2."""
MAX_WIDENING = 8
TEMPORAL_KERNEL = 3


class PatchDiscriminator(nn.Module, ABC):
    """Frames (B, T, 3, H, W) in [-1, 1] -> logits of patches, positive for real ones.

    `num_layers` convolutions halve the frame and double the channels, two more keep its size. Group normalisation in
    place of the paper's batch normalisation: the logits of a clip depend on that clip alone, so real and reconstructed
    ones may share a batch and several processes judge as one.
    """

    memory_format: torch.memory_format
    """That its convolutions are fastest in."""

    def __init__(self, channels: int, num_layers: int) -> None:
        super().__init__()
        widths = [channels * min(1 << level, MAX_WIDENING) for level in range(num_layers + 1)]
        layers: list[nn.Module] = [self.convolution(3, channels, stride=2), nn.LeakyReLU(SLOPE)]
        for number, (width, wider) in enumerate(itertools.pairwise(widths), start=1):
            stride = 2 if number < num_layers else 1
            layers += [self.convolution(width, wider, stride), group_norm(wider), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, self.convolution(widths[-1], 1, stride=1))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=INITIAL_DEVIATION)
        self.to(memory_format=self.memory_format)  # type: ignore[call-overload]

    @abstractmethod
    def convolution(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """A convolution over 4 x 4 pixels, padded by one."""

    @abstractmethod
    def forward(self, frames_BTCHW: Tensor) -> Tensor:
        """The logits: one axis of clips or frames in their order, then any."""


class FrameDiscriminator(PatchDiscriminator):
    """Judges every frame by itself: logits (B x T, 1, h, w)."""

    memory_format = torch.channels_last

    def convolution(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Over pixels."""
        return nn.Conv2d(in_channels, out_channels, 4, stride, padding=1)

    def forward(self, frames_BTCHW: Tensor) -> Tensor:
        """The logits of each frame."""
        logits_NCHW: Tensor = self.layers(frames_BTCHW.flatten(0, 1))
        return logits_NCHW


class ClipDiscriminator(PatchDiscriminator):
    """Judges motion too, every convolution seeing three neighbouring frames: logits (B, 1, T, h, w)."""

    memory_format = torch.channels_last_3d

    def convolution(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """Over pixels and frames; time keeps its length."""
        kernel, padding = (TEMPORAL_KERNEL, 4, 4), (TEMPORAL_KERNEL // 2, 1, 1)
        return nn.Conv3d(in_channels, out_channels, kernel, (1, stride, stride), padding)

    def forward(self, frames_BTCHW: Tensor) -> Tensor:
        """The logits of each clip."""
        logits_BCTHW: Tensor = self.layers(frames_BTCHW.transpose(1, 2))
        return logits_BCTHW


def build_discriminator(config: LossConfig, resolution: int) -> PatchDiscriminator:
    """The discriminator that `config` describes, with random weights.

    Raises:
        ConfigError: frames of `resolution` pixels are too small for so many layers.
    """
    num_layers = config.discriminator_layers
    if resolution >> num_layers < 3:
        raise ConfigError(
            f"loss.discriminator_layers={num_layers} leaves nothing of frames of {resolution} pixels: set fewer layers"
        )
    match config.discriminator_kind:
        case "2d":
            return FrameDiscriminator(config.discriminator_channels, num_layers)
        case "3d":
            return ClipDiscriminator(config.discriminator_channels, num_layers)
        case _:
            assert_never(config.discriminator_kind)
