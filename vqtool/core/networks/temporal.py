"""Blocks that mix the frames of a clip: temporal convolution and windowed spatio-temporal attention.

Both end in a layer that starts at zero, so that a clip decoder starts as the frame decoder it extends. Causal ones let
a frame see itself and earlier frames only: what is made of a frame does not change when more frames follow.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vqtool.core.config import Decoder3dConfig
from vqtool.core.networks.blocks import group_norm

Window = tuple[int, int, int]


class TemporalConv(nn.Module):
    """Residual convolution over `kernel` neighbouring frames at each position; beyond the clip there are zeros.

    The frame itself is the middle one of them, in a causal convolution the last. It is one matrix product over the
    channels of shifted frames, channels last in memory as the frame networks keep them.
    """

    def __init__(self, channels: int, kernel: int, causal: bool = False) -> None:
        super().__init__()
        self.kernel = kernel
        self.back = kernel - 1 if causal else kernel // 2
        self.norm = group_norm(channels)
        self.conv = nn.Conv2d(channels * kernel, channels, 1)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]  # Conv2d types its bias as optional

    def forward(self, x_NCHW: Tensor, num_frames: int) -> Tensor:
        """(B x T, C, H, W) -> the same shape."""
        h_BTHWC = rearrange(F.silu(self.norm(x_NCHW)), "(b t) c h w -> b t h w c", t=num_frames)
        padded = F.pad(h_BTHWC, (0, 0, 0, 0, 0, 0, self.back, self.kernel - 1 - self.back))
        neighbours = torch.cat([padded[:, shift : shift + num_frames] for shift in range(self.kernel)], dim=-1)
        mixed = F.linear(neighbours, self.conv.weight.flatten(1), self.conv.bias)
        return x_NCHW + rearrange(mixed, "b t h w c -> (b t) c h w")


class WindowAttention(nn.Module):
    """Residual multi-head self-attention within windows of frames x rows x columns.

    The clip is cut into windows that do not overlap; with `shifted`, the cut lies half a window later along each axis
    that has more than one window, so that two blocks in turn reach across the borders (after Liu et al. 2022, Video
    Swin Transformer, section 3.2). Windows that reach past the clip see only what is inside it. The position within
    the window is a learnt embedding. Causal: a position sees those of its window in its own and in earlier frames.
    """

    def __init__(self, channels: int, window: Window, num_heads: int, shifted: bool, causal: bool = False) -> None:
        super().__init__()
        self.window = window
        self.shifted = shifted
        self.causal = causal
        self.num_heads = num_heads
        self.norm = group_norm(channels)
        self.position = nn.Parameter(torch.randn(window[0] * window[1] * window[2], channels) * 0.02)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x_NCHW: Tensor, num_frames: int) -> Tensor:
        """(B x T, C, H, W) -> the same shape."""
        h_BTHWC = rearrange(self.norm(x_NCHW), "(b t) c h w -> b t h w c", t=num_frames)
        size: Window = (h_BTHWC.shape[1], h_BTHWC.shape[2], h_BTHWC.shape[3])
        before, after = self._padding(size)
        windows = self._cut(F.pad(h_BTHWC, (0, 0, before[2], after[2], before[1], after[1], before[0], after[0])))
        attended = self._attend(windows, self._visible(self._inside(size, before, after, h_BTHWC), windows))
        merged = self._merge(attended, h_BTHWC.shape[0], before, after, size)
        return x_NCHW + rearrange(merged, "b t h w c -> (b t) c h w")

    def _padding(self, size: Window) -> tuple[Window, Window]:
        """Positions added before and after each axis, so that windows tile it."""
        several = [n > w for n, w in zip(size, self.window, strict=True)]
        # A frame's place in its window must not depend on how many frames follow.
        several[0] |= self.causal
        before = [w // 2 if self.shifted and cut else 0 for w, cut in zip(self.window, several, strict=True)]
        after = [-(n + b) % w for n, b, w in zip(size, before, self.window, strict=True)]
        return (before[0], before[1], before[2]), (after[0], after[1], after[2])

    def _cut(self, volume: Tensor) -> Tensor:
        t, h, w = self.window
        return rearrange(volume, "b (nt t) (nh h) (nw w) c -> b (nt nh nw) (t h w) c", t=t, h=h, w=w)

    def _inside(self, size: Window, before: Window, after: Window, like: Tensor) -> Tensor | None:
        """Which positions of each window lie inside the clip, as a mask of the keys; None where all do."""
        if not any(before) and not any(after):
            return None
        inside = torch.ones(1, *size, 1, dtype=torch.bool, device=like.device)
        pads = (0, 0, before[2], after[2], before[1], after[1], before[0], after[0])
        return rearrange(self._cut(F.pad(inside, pads)), "b n k c -> b n c 1 k")

    def _visible(self, inside: Tensor | None, windows: Tensor) -> Tensor | None:
        """Which keys each query of a window sees, (1, windows, 1, queries, keys) or shapes that expand to it."""
        if not self.causal:
            return inside
        frame_K = torch.arange(self.window[0], device=windows.device).repeat_interleave(self.window[1] * self.window[2])
        visible_KK = frame_K[:, None] >= frame_K
        visible = visible_KK[None, None, None] if inside is None else inside & visible_KK
        # Queries before the clip see nothing else: a softmax over no keys is NaN, or 0, as the kernel has it.
        return visible | torch.eye(len(frame_K), dtype=torch.bool, device=windows.device)

    def _attend(self, windows: Tensor, visible: Tensor | None) -> Tensor:
        qkv = rearrange(self.qkv(windows + self.position), "b n k (s m c) -> s b n m k c", s=3, m=self.num_heads)
        mask = None if visible is None else visible.expand(qkv.shape[1], -1, -1, -1, -1)
        attended = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], attn_mask=mask)
        projected: Tensor = self.proj_out(rearrange(attended, "b n m k c -> b n k (m c)"))
        return projected

    def _merge(self, windows: Tensor, batch: int, before: Window, after: Window, size: Window) -> Tensor:
        t, h, w = self.window
        counts = [(n + b + a) // k for n, b, a, k in zip(size, before, after, self.window, strict=True)]
        pattern = "b (nt nh nw) (t h w) c -> b (nt t) (nh h) (nw w) c"
        volume = rearrange(windows, pattern, b=batch, nt=counts[0], nh=counts[1], t=t, h=h, w=w)
        return volume[
            :, before[0] : before[0] + size[0], before[1] : before[1] + size[1], before[2] : before[2] + size[2]
        ]


class TemporalBlock(nn.Module):
    """Temporal convolution, then windowed spatio-temporal attention where asked; it starts as the identity."""

    def __init__(self, channels: int, config: Decoder3dConfig, attention: bool, shifted: bool) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, config.temporal_kernel, config.causal)
        window = (config.window_frames, config.window_size, config.window_size)
        self.attn = (
            WindowAttention(channels, window, config.attention_heads, shifted, config.causal) if attention else None
        )

    def forward(self, h_NCHW: Tensor, num_frames: int) -> Tensor:
        """(B x T, C, H, W) -> the same shape."""
        h_NCHW = self.conv(h_NCHW, num_frames)
        return h_NCHW if self.attn is None else self.attn(h_NCHW, num_frames)
