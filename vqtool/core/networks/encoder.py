"""The frame encoder: RGB frames to a small grid of latents (Esser et al. 2021)."""

import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import ClassicConfig
from vqtool.core.networks.blocks import Downsample, Level, Middle, group_norm
from vqtool.core.networks.cpu_training import Conv3x3


class EncoderLevel(Level):
    """A level and the downsampling after it, which the last level has not."""

    def __init__(self, config: ClassicConfig, level: int, in_channels: int) -> None:
        width = config.widths[level]
        attention = config.has_attention(level)
        super().__init__(in_channels, width, config.num_res_blocks, attention, config.norm_groups)
        self.downsample = nn.Identity() if level == len(config.widths) - 1 else Downsample(width)

    def forward(self, h_NCHW: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / 2, W / 2), or the same resolution at the last level."""
        down: Tensor = self.downsample(super().forward(h_NCHW))
        return down


class Encoder(nn.Module):
    """Frames (N, 3, R, R) in [-1, 1] -> latents (N, latent_channels, R / f, R / f), f = 2 ** (levels - 1)."""

    def __init__(self, config: ClassicConfig) -> None:
        super().__init__()
        self.conv_in = Conv3x3(3, config.channels)
        levels: list[EncoderLevel] = []
        previous = config.channels
        for level, width in enumerate(config.widths):
            levels.append(EncoderLevel(config, level, previous))
            previous = width
        self.down = nn.ModuleList(levels)
        self.mid = Middle(previous, config.norm_groups)
        self.norm_out = group_norm(previous, config.norm_groups)
        self.conv_out = Conv3x3(previous, config.latent_channels)

    def forward(self, frames_NCHW: Tensor) -> Tensor:
        """Frames in [-1, 1] -> latents."""
        h_NCHW = self.conv_in(frames_NCHW)
        for level in self.down:
            h_NCHW = level(h_NCHW)
        h_NCHW = self.mid(h_NCHW)
        latents_NCHW: Tensor = self.conv_out(F.silu(self.norm_out(h_NCHW)))
        return latents_NCHW
