"""Bootstrap intervals against every possible resample, scipy's, and what resampling trajectories is for."""

import itertools

import numpy as np
import pytest

from vqtool.evaluation import bootstrap
from vqtool.evaluation.bootstrap import mean_intervals


def test_three_trajectories_give_the_quantiles_of_all_27_resamples() -> None:
    clusters = ["b", "a", "b", "c", "c", "c"]
    values = np.array([4.0, 1.0, 8.0, 20.0, 21.0, 25.0])
    of = {name: values[[cluster == name for cluster in clusters]] for name in "abc"}
    means = [np.concatenate([of[name] for name in drawn]).mean() for drawn in itertools.product("abc", repeat=3)]
    low, high = mean_intervals(values[:, None], clusters)
    # One draw in 27 is a a a, so the 2.5 % quantile is its mean; the same for c c c.
    assert (low[0], high[0]) == (pytest.approx(min(means)), pytest.approx(max(means)))


def test_independent_clips_agree_with_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(1).gamma(2.0, size=60)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    low, high = mean_intervals(values[:, None], [str(i) for i in range(60)], num_resamples=20000)
    width = expected.high - expected.low
    assert low[0] == pytest.approx(expected.low, abs=0.03 * width)
    assert high[0] == pytest.approx(expected.high, abs=0.03 * width)


def test_more_windows_of_the_same_scenes_do_not_narrow_the_interval() -> None:
    scenes = np.random.default_rng(3).normal(size=15)
    once = mean_intervals(scenes[:, None], [str(i) for i in range(15)])
    ten_times = mean_intervals(scenes.repeat(10)[:, None], [str(i) for i in range(15) for _ in range(10)])
    np.testing.assert_allclose(once, ten_times)


def test_columns_share_their_draws_so_that_differences_are_paired() -> None:
    values = np.random.default_rng(4).normal(20, 5, size=40)
    clusters = [str(i // 2) for i in range(40)]
    low, high = mean_intervals(np.stack([values, values + 0.25, (values + 0.25) - values], axis=1), clusters)
    assert high[0] - low[0] > 1
    np.testing.assert_allclose([low[1] - low[0], high[1] - high[0]], 0.25)
    np.testing.assert_allclose([low[2], high[2]], 0.25)


def test_equal_scores_have_an_interval_of_no_width() -> None:
    low, high = mean_intervals(np.full((7, 1), 1920.1), list("aabbccc"))
    assert (low[0], high[0]) == (1920.1, 1920.1)


def test_neither_the_order_of_clips_nor_the_chunks_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    values, clusters = np.random.default_rng(5).normal(size=(30, 2)), [f"t{i % 7}" for i in range(30)]
    expected = mean_intervals(values, clusters)
    order = np.random.default_rng(6).permutation(30)
    np.testing.assert_allclose(mean_intervals(values[order], [clusters[i] for i in order]), expected, rtol=1e-12)
    monkeypatch.setattr(bootstrap, "CHUNK_COUNTS", 7 * 11)
    np.testing.assert_array_equal(mean_intervals(values, clusters), expected)


def test_one_trajectory_has_no_interval() -> None:
    assert np.isnan(mean_intervals(np.ones((4, 2)), ["only"] * 4)).all()
