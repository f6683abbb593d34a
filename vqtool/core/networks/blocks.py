"""The blocks of the VQGAN family: residual block, self-attention, down- and upsampling (Esser et al. 2021, table 7)."""

import itertools
import math

import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.networks.cpu_training import Conv3x3, GroupNorm


def group_norm(channels: int, num_groups: int = 0) -> GroupNorm:
    """`num_groups` groups; 0 is 32 as in VQGAN, or fewer for narrow networks: a group never has under four channels.

    A group of one channel would be instance normalisation, which erases each channel's mean.
    """
    return GroupNorm(num_groups or math.gcd(channels, min(32, max(1, channels // 4))), channels, eps=1e-6)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with pre-normalisation and swish, and a shortcut (1x1 where the channels change)."""

    def __init__(self, in_channels: int, out_channels: int, norm_groups: int = 0) -> None:
        super().__init__()
        self.norm1 = group_norm(in_channels, norm_groups)
        self.conv1 = Conv3x3(in_channels, out_channels)
        self.norm2 = group_norm(out_channels, norm_groups)
        self.conv2 = Conv3x3(out_channels, out_channels)
        self.nin_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        h_NCHW = self.conv1(F.silu(self.norm1(x_NCHW)))
        h_NCHW = self.conv2(F.silu(self.norm2(h_NCHW)))
        added: Tensor = self.nin_shortcut(x_NCHW) + h_NCHW
        return added


class SelfAttention(nn.Module):
    """Single-head self-attention over all positions of a frame, with pre-normalisation and a shortcut."""

    def __init__(self, channels: int, norm_groups: int = 0) -> None:
        super().__init__()
        self.norm = group_norm(channels, norm_groups)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        h_NCHW = self.norm(x_NCHW)
        query, key, value = (layer(h_NCHW).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj_out(attended.transpose(1, 2).reshape(x_NCHW.shape))
        return x_NCHW + projected


class Middle(nn.Module):
    """Residual block, self-attention, residual block at the lowest resolution."""

    def __init__(self, channels: int, norm_groups: int = 0) -> None:
        super().__init__()
        self.block_1 = ResBlock(channels, channels, norm_groups)
        self.attn_1 = SelfAttention(channels, norm_groups)
        self.block_2 = ResBlock(channels, channels, norm_groups)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        middle: Tensor = self.block_2(self.attn_1(self.block_1(x_NCHW)))
        return middle


class Downsample(nn.Module):
    """Halve the resolution by a stride-2 convolution, padded on the right and at the bottom."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / 2, W / 2)."""
        halved: Tensor = self.conv(F.pad(x_NCHW, (0, 1, 0, 1)))
        return halved


class Upsample(nn.Module):
    """Double the resolution by repeating pixels, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv3x3(channels, channels)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2 H, 2 W)."""
        doubled: Tensor = self.conv(F.interpolate(x_NCHW, scale_factor=2.0, mode="nearest"))
        return doubled


class Level(nn.Module):
    """Residual blocks at one resolution, with self-attention after each where asked."""

    def __init__(
        self, in_channels: int, out_channels: int, num_blocks: int, attention: bool, norm_groups: int = 0
    ) -> None:
        super().__init__()
        widths = [in_channels] + [out_channels] * num_blocks
        self.block = nn.ModuleList(ResBlock(a, b, norm_groups) for a, b in itertools.pairwise(widths))
        self.attn = nn.ModuleList(
            SelfAttention(out_channels, norm_groups) for _ in range(num_blocks if attention else 0)
        )

    def forward(self, h_NCHW: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        for number, block in enumerate(self.block):
            h_NCHW = block(h_NCHW)
            if self.attn:
                h_NCHW = self.attn[number](h_NCHW)
        return h_NCHW
