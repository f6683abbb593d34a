"""The frame decoder: latents to RGB frames, each frame by itself (Esser et al. 2021)."""

import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import ClassicConfig
from vqtool.core.networks.blocks import Level, Middle, Upsample, group_norm
from vqtool.core.networks.cpu_training import Conv3x3


class DecoderLevel(Level):
    """A level and the upsampling after it, which the last level has not."""

    def __init__(self, config: ClassicConfig, level: int, in_channels: int) -> None:
        width = config.widths[level]
        attention = config.has_attention(level)
        super().__init__(in_channels, width, config.num_res_blocks + 1, attention, config.norm_groups)
        self.upsample = nn.Identity() if level == 0 else Upsample(width)


class Decoder(nn.Module):
    """Latents (N, latent_channels, R / f, R / f) -> frames (N, 3, R, R), about [-1, 1] (not clamped)."""

    def __init__(self, config: ClassicConfig) -> None:
        super().__init__()
        widths = config.widths
        self.conv_in = Conv3x3(config.latent_channels, widths[-1])
        self.mid = Middle(widths[-1], config.norm_groups)
        levels: list[nn.Module] = []
        previous = widths[-1]
        for level in reversed(range(len(widths))):
            levels.append(DecoderLevel(config, level, previous))
            previous = widths[level]
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out = group_norm(previous, config.norm_groups)
        self.conv_out = Conv3x3(previous, 3)

    def forward(self, latents_NCHW: Tensor, num_frames: int) -> Tensor:
        """Latents of clips of `num_frames` frames, folded into N = B x T, -> frames."""
        h_NCHW = self.after_middle(self.mid(self.conv_in(latents_NCHW)), num_frames)
        for number in reversed(range(len(self.up))):
            level = self.up[number]
            assert isinstance(level, DecoderLevel)
            h_NCHW = level.upsample(self.after_level(number, level(h_NCHW), num_frames))
        frames_NCHW: Tensor = self.conv_out(F.silu(self.norm_out(h_NCHW)))
        return frames_NCHW

    def after_middle(self, h_NCHW: Tensor, num_frames: int) -> Tensor:
        """Where a clip decoder mixes the frames of a clip at the lowest resolution; here nothing."""
        return h_NCHW

    def after_level(self, number: int, h_NCHW: Tensor, num_frames: int) -> Tensor:
        """Where a clip decoder mixes the frames of a clip at level `number`; here nothing."""
        return h_NCHW
