"""Peak signal-to-noise ratio."""

import math

import torch
from torch import Tensor

from vqtool.core.metrics.base import FrameMetric

MAX_DB = 10 * math.log10(12 * 255**2)
"""58.92 dB: the PSNR of rounding alone, whose error is uniform over one grey level and so has variance 1/12 of a level
squared (Bennett 1948). Frames that round to the same pixels are that far from the unrounded ones, so a frame that is
closer than that, or identical, counts as this and the mean over frames stays finite."""


def psnr(real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
    """PSNR of each frame, (N,), dB, higher is closer; pixels in [0, 1]; infinite for identical frames.

    10 log10(1 / MSE), the mean squared error being over channels and pixels together.
    """
    mse_N = (real_NCHW - fake_NCHW).square().flatten(1).mean(dim=1, dtype=torch.float64)
    return (-10 * mse_N.log10()).float()


class Psnr(FrameMetric):
    """PSNR in dB, each frame capped at `MAX_DB`."""

    name = "psnr"
    unit = "dB"
    higher_is_better = True
    chunk_pixels = 2**20

    def score_frames(self, real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
        """PSNR of each frame, (N,), dB, at most `MAX_DB`."""
        return psnr(real_NCHW, fake_NCHW).clamp(max=MAX_DB)
