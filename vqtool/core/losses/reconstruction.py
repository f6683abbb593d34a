"""Distances between frames and their reconstruction, a number a clip."""

from torch import Tensor


def l1(real_BTCHW: Tensor, fake_BTCHW: Tensor, weights_BTHW: Tensor | None = None) -> Tensor:
    """Mean absolute difference of frames in [-1, 1], times a weight a pixel: a scalar (lower is better)."""
    difference_BTCHW = (real_BTCHW - fake_BTCHW).abs()
    return difference_BTCHW.mean() if weights_BTHW is None else (difference_BTCHW * weights_BTHW[:, :, None]).mean()
