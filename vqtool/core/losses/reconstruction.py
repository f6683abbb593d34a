"""Distances between frames and their reconstruction, a number a clip."""

from torch import Tensor


def l1(real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
    """Mean absolute difference of frames in [-1, 1], in [0, 2]: a scalar (lower is better)."""
    return (real_BTCHW - fake_BTCHW).abs().mean()
