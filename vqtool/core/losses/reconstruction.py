"""Distances between frames and their reconstruction, pixel by pixel."""

from typing import assert_never

from torch import Tensor

from vqtool.core.config import PixelKind

CHARBONNIER_EPSILON = 1e-3
"""Below this difference, an eighth of a grey level, the distance is quadratic (Lai et al. 2017, section 3.3)."""


def pixel_distances(real: Tensor, fake: Tensor, kind: PixelKind = "l1") -> Tensor:
    """The distance of each value of frames in [-1, 1], of their shape.

    `l1`: |d|, in [0, 2]. `l2`: d^2, in [0, 4]. `charbonnier`: sqrt(d^2 + epsilon^2), a smooth L1 (Charbonnier et al.
    1994), epsilon = 0.001.
    """
    difference = real - fake
    match kind:
        case "l1":
            return difference.abs()
        case "l2":
            return difference.square()
        case "charbonnier":
            return (difference.square() + CHARBONNIER_EPSILON**2).sqrt()
        case _:
            assert_never(kind)


def pixel_loss(real: Tensor, fake: Tensor, kind: PixelKind = "l1") -> Tensor:
    """The mean of `pixel_distances`: a scalar (lower is better)."""
    return pixel_distances(real, fake, kind).mean()
