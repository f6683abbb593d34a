import numpy as np
import pytest

from vqtool.dash.plotting.smoothing import debiased_ema


def by_definition(values: np.ndarray, decay: float) -> np.ndarray:
    average, smoothed = 0.0, []
    for count, value in enumerate(values, 1):
        average = decay * average + (1 - decay) * value
        smoothed.append(average / (1 - decay**count))
    return np.array(smoothed)


@pytest.mark.parametrize("decay", [0.01, 0.3, 0.6, 0.9, 0.97, 0.99, 0.999])
@pytest.mark.parametrize("count", [1, 2, 999, 5000])
def test_agrees_with_the_definition(decay: float, count: int) -> None:
    values = np.random.default_rng(count).standard_normal(count) * np.exp(-np.arange(count) / 300) + 1e-3
    assert np.allclose(debiased_ema(values, decay), by_definition(values, decay), rtol=1e-9, atol=1e-12)


def test_long_curves_cross_block_borders() -> None:
    values = np.random.default_rng(0).standard_normal(200_000)
    assert np.allclose(debiased_ema(values, 0.999), by_definition(values, 0.999), rtol=1e-9, atol=1e-9)


def test_constant_stays_and_no_decay_is_no_smoothing() -> None:
    assert np.allclose(debiased_ema(np.full(500, 3.0), 0.97), 3.0)
    values = np.array([1.0, 5.0])
    assert debiased_ema(values, 0.0) is values
    assert len(debiased_ema(np.empty(0), 0.9)) == 0
