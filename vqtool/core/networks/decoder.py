"""The frame decoder: latents to RGB frames, each frame by itself (Esser et al. 2021)."""

import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import ClassicConfig
from vqtool.core.networks.blocks import Level, Middle, Upsample, group_norm


class DecoderLevel(Level):
    """A level and the upsampling after it, which the last level has not."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int, attention: bool, last: bool) -> None:
        super().__init__(in_channels, out_channels, num_blocks, attention)
        self.upsample = nn.Identity() if last else Upsample(out_channels)


class Decoder(nn.Module):
    """Latents (N, latent_channels, R / f, R / f) -> frames (N, 3, R, R), about [-1, 1] (not clamped)."""

    def __init__(self, config: ClassicConfig) -> None:
        super().__init__()
        widths = [config.channels * multiplier for multiplier in config.channel_multipliers]
        self.conv_in = nn.Conv2d(config.latent_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1])
        levels: list[nn.Module] = []
        previous = widths[-1]
        for level in reversed(range(len(widths))):
            attention = config.level_resolution(level) in config.attention_resolutions
            levels.append(DecoderLevel(previous, widths[level], config.num_res_blocks + 1, attention, level == 0))
            previous = widths[level]
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out = group_norm(previous)
        self.conv_out = nn.Conv2d(previous, 3, 3, padding=1)

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
