"""The usual ways of computing the metrics: SSIM by unfold, LPIPS in two passes, a Frechet distance by a matrix root."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import linalg
from torch import Tensor

from vqtool.core.features.lpips import LPIPS

WINDOW, SIGMA, C1, C2 = 11, 1.5, 0.01**2, 0.03**2


def unfold_ssim(real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
    """SSIM of each frame with every 11 x 11 window laid out in memory, (N,)."""
    line = torch.tensor([math.exp(-((i - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for i in range(WINDOW)])
    weight = torch.outer(line, line).flatten()[:, None] / line.sum() ** 2
    x, y = (F.unfold(side.flatten(0, 1)[:, None], WINDOW) for side in (real_NCHW, fake_NCHW))
    mean_x, mean_y = ((weight * side).sum(dim=1, keepdim=True) for side in (x, y))
    x, y = x - mean_x, y - mean_y
    variance_x, variance_y, covariance = ((weight * a * b).sum(dim=1) for a, b in ((x, x), (y, y), (x, y)))
    mean_x, mean_y = mean_x.squeeze(1), mean_y.squeeze(1)
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x.square() + mean_y.square() + C1) * (variance_x + variance_y + C2)
    )
    return similarity.view(len(real_NCHW), -1).mean(dim=1)


def two_pass_lpips(lpips: LPIPS, real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
    """LPIPS with the network run on one image after the other, its gradient recorded, (N,)."""
    features = [lpips.vgg((side - lpips.shift) / lpips.scale) for side in (real_NCHW, fake_NCHW)]
    units = [[f / (f.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for f in side] for side in features]
    terms = [
        ((a - b).square() * head.view(1, -1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
        for a, b, head in zip(*units, lpips.heads, strict=True)
    ]
    return torch.stack(terms).sum(dim=0)


def matrix_root_distance(a_ND: NDArray[np.float64], b_ND: NDArray[np.float64]) -> float:
    """Frechet distance by the root of the product of covariances, complex by rounding."""
    cov_a, cov_b = np.cov(a_ND, rowvar=False), np.cov(b_ND, rowvar=False)
    trace = np.trace(cov_a + cov_b - 2 * np.real(linalg.sqrtm(cov_a @ cov_b)))
    return float(np.square(a_ND.mean(axis=0) - b_ND.mean(axis=0)).sum() + trace)
