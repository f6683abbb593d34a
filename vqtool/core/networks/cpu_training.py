"""Layers that train in bf16 on a CPU without the slow parts of torch's own backward passes; elsewhere they are torch's.

Measured with torch 2.13 on two cores with AMX: the backward pass of group normalisation takes 3 to 4 times the time of
the same sums as tensor operations, and that of a 3x3 convolution on a 4x4 grid 3 times that of two matrix products.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

MAX_CONV_POSITIONS = 64
"""Of the grids whose weight gradient is one matrix product: on larger ones gathering the neighbours costs more."""
MIN_NORM_POSITIONS = 256
"""Of the grids that are normalised here: on smaller ones the number of operations costs more than torch's sums."""


def trains_in_bf16_on_a_cpu(x_NCHW: Tensor) -> bool:
    """Whether a layer that sees `x_NCHW` now will have a backward pass in bf16 on a CPU."""
    if x_NCHW.device.type != "cpu" or x_NCHW.ndim != 4 or not torch.is_grad_enabled():
        return False
    return x_NCHW.dtype == torch.bfloat16 or (
        torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


class GroupNorm(nn.GroupNorm):
    """Group normalisation (Wu and He 2018)."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        large = _positions(x_NCHW) >= MIN_NORM_POSITIONS
        if large and x_NCHW.dtype == torch.bfloat16 and trains_in_bf16_on_a_cpu(x_NCHW):
            normalised: Tensor = _GroupNorm.apply(  # type: ignore[no-untyped-call]
                x_NCHW, self.weight, self.bias, self.num_groups, self.eps
            )
            return normalised
        return super().forward(x_NCHW)


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with stride 1 that keeps the size of its input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        if _positions(x_NCHW) <= MAX_CONV_POSITIONS and trains_in_bf16_on_a_cpu(x_NCHW):
            assert self.bias is not None
            x_NCHW, weight, bias = (part.to(torch.bfloat16) for part in (x_NCHW, self.weight, self.bias))
            convolved: Tensor = _Conv3x3.apply(x_NCHW, weight, bias)  # type: ignore[no-untyped-call]
            return convolved
        return super().forward(x_NCHW)


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NCHW: Tensor, weight: Tensor, bias: Tensor, num_groups: int, eps: float) -> Tensor:
        n, c, h, w = x_NCHW.shape
        normalised, mean_NG, scale_NG = torch.native_group_norm(x_NCHW, weight, bias, n, c, h * w, num_groups, eps)
        ctx.save_for_backward(x_NCHW, weight, mean_NG, scale_NG)
        return normalised

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_NCHW: Tensor) -> tuple[Tensor | None, ...]:
        """With y = (x - m) s per group: dx = g s w + x p + q, p and q from the sums of g and g x over positions."""
        x_NCHW, weight, mean_NG, scale_NG = ctx.saved_tensors
        n, c, h, w = x_NCHW.shape
        groups = mean_NG.shape[1]
        sums_NGC = grad_NCHW.sum((2, 3), dtype=torch.float32).view(n, groups, -1)
        products_NGC = (grad_NCHW * x_NCHW).sum((2, 3), dtype=torch.float32).view(n, groups, -1)
        mean, scale, weight_GC = mean_NG[..., None], scale_NG[..., None], weight.view(groups, -1)
        slope_NGC = (products_NGC - mean * sums_NGC) * scale
        count = h * w * c // groups
        along = -(weight_GC * slope_NGC).sum(2, keepdim=True) * scale**2 / count
        offset = -along * mean - (weight_GC * sums_NGC).sum(2, keepdim=True) * scale / count
        gain_NGC = scale * weight_GC

        def per_channel(values: Tensor) -> Tensor:
            return values.expand(n, groups, c // groups).reshape(n, c, 1, 1).to(x_NCHW.dtype)

        grad_x = torch.addcmul(per_channel(offset), x_NCHW, per_channel(along))
        grad_x.addcmul_(grad_NCHW, per_channel(gain_NGC))
        return grad_x, slope_NGC.sum(0).flatten(), sums_NGC.sum(0).flatten(), None, None


class _Conv3x3(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NCHW: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x_NCHW, weight)
        return F.conv2d(x_NCHW, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_NCHW: Tensor) -> tuple[Tensor | None, ...]:
        x_NCHW, weight = ctx.saved_tensors
        grad_NCHW = grad_NCHW.contiguous(memory_format=torch.channels_last)
        grad_x = torch.ops.aten.convolution_backward(
            *(grad_NCHW, x_NCHW, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
            [ctx.needs_input_grad[0], False, False],
        )[0]
        grad_rows = grad_NCHW.permute(0, 2, 3, 1).flatten(0, 2)
        grad_weight = (grad_rows.T @ _neighbours(x_NCHW)).view(len(weight), 3, 3, -1).permute(0, 3, 1, 2)
        return grad_x, grad_weight, grad_rows.sum(0)


def _positions(x_NCHW: Tensor) -> int:
    return x_NCHW.shape[2:].numel()


def _neighbours(x_NCHW: Tensor) -> Tensor:
    """The 3x3 surroundings of every position, zeros outside, as rows (N x H x W, 9 x C)."""
    n, c, h, w = x_NCHW.shape
    padded = F.pad(x_NCHW.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    windows = padded.unfold(1, 3, 1).unfold(2, 3, 1)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(n * h * w, 9 * c)
