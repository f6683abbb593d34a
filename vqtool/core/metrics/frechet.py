"""The Frechet distance between two sets of feature vectors, in fp64 and without complex numbers."""

import torch
from torch import Tensor


class Gaussian:
    """Mean and covariance (unbiased) of feature vectors (N, D), N at least 2.

    The covariance is held as a factor R with R' R = covariance and min(N, D) rows: of a few clips it is far smaller
    than D x D, and nothing is squared.
    """

    def __init__(self, features_ND: Tensor) -> None:
        features = features_ND.double()
        self.mean_D = features.mean(dim=0)
        factor = (features - self.mean_D) / (len(features) - 1) ** 0.5
        self.factor = factor if len(factor) <= factor.shape[1] else torch.linalg.qr(factor, mode="r").R
        self.total_variance = factor.square().sum()


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)), at least 0 (Dowson and Landau 1982).

    With A = R' R and B = S' S the eigenvalues of A B are the squared singular values of R S', so the trace of the root
    is their sum: all real, whatever the rounding.
    """
    root_trace = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
    distance = (a.mean_D - b.mean_D).square().sum() + a.total_variance + b.total_variance - 2 * root_trace
    return max(float(distance), 0.0)
