"""The Frechet distance against the published value, scipy and closed forms."""

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from vqtool.core.metrics.frechet import Gaussian, frechet_distance


def distance(a: np.ndarray | Tensor, b: np.ndarray | Tensor) -> float:
    return frechet_distance(Gaussian(torch.as_tensor(a)), Gaussian(torch.as_tensor(b)))


def by_matrix_root(a: np.ndarray, b: np.ndarray) -> float:
    """The usual way: a root of the product of covariances, whose imaginary part is dropped."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    trace = np.trace(cov_a + cov_b - 2 * np.real(linalg.sqrtm(cov_a @ cov_b)))
    return float(np.square(a.mean(axis=0) - b.mean(axis=0)).sum() + trace)


def test_the_published_value() -> None:
    a, b = np.random.RandomState(1).randn(256, 400), np.random.RandomState(2).randn(256, 400) + 0.1
    assert distance(a, b) == pytest.approx(302.24812, abs=1e-4)


@pytest.mark.parametrize(("num_a", "num_b"), [(300, 200), (30, 25), (60, 12), (2, 2), (41, 40), (39, 500)])
def test_it_equals_the_root_of_the_matrix_product(num_a: int, num_b: int) -> None:
    """With more and with fewer vectors than their 40 dimensions, and unequal numbers."""
    generator = np.random.default_rng(3)
    mix = generator.standard_normal((40, 40))
    a = generator.standard_normal((num_a, 40)) @ mix
    b = generator.standard_normal((num_b, 40)) * 2 + 1
    assert distance(a, b) == pytest.approx(by_matrix_root(a, b), rel=1e-5)
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-12)


def test_closed_forms() -> None:
    generator = np.random.default_rng(4)
    a = generator.standard_normal((500, 6))
    assert distance(a, a) == pytest.approx(0, abs=1e-9)
    assert distance(a, a + 3) == pytest.approx(6 * 9)
    # Covariances S and 4 S: tr(S + 4 S - 2 * 2 S) = tr S, beside the means.
    expected = np.trace(np.cov(a, rowvar=False)) + np.square(a.mean(axis=0)).sum()
    assert distance(a, 2 * a) == pytest.approx(expected)
    one = generator.standard_normal((50, 1)), generator.standard_normal((70, 1)) * 3 + 2
    by_hand = (one[0].mean() - one[1].mean()) ** 2 + (one[0].std(ddof=1) - one[1].std(ddof=1)) ** 2
    assert distance(*one) == pytest.approx(by_hand)


def test_constant_features_and_large_offsets_stay_exact() -> None:
    same = torch.full((5, 400), 1e4)
    assert distance(same, same + 1) == pytest.approx(400)
    generator = np.random.default_rng(5)
    a, b = generator.standard_normal((64, 400)), generator.standard_normal((64, 400))
    assert distance(a + 1e5, b + 1e5) == pytest.approx(distance(a, b), rel=1e-9)
