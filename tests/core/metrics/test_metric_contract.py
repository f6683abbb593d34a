"""What every registered metric promises: a new one is tested by being registered."""

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from vqtool.core.config import MetricName
from vqtool.core.metrics import METRIC_WEIGHTS, METRICS, Metric, build_metrics
from vqtool.errors import ConfigError, VqtoolError
from vqtool.weights.registry import REGISTRY

Clips = Callable[..., tuple[Tensor, Tensor]]


def test_registry_config_and_weights_know_the_same_names() -> None:
    assert tuple(METRICS) == get_args(MetricName)
    assert all(name == metric.name for name, metric in METRICS.items())
    assert set(METRIC_WEIGHTS.values()) <= set(REGISTRY)


def test_build_keeps_the_order_and_refuses_an_absent_network() -> None:
    assert [metric.name for metric in build_metrics(["ssim", "psnr", "ssim"])] == ["ssim", "psnr"]
    for name in METRIC_WEIGHTS:
        with pytest.raises(ValueError, match=name):
            build_metrics([name])


@pytest.mark.parametrize("split", [[5], [1, 1, 1, 1, 1], [2, 2, 1], [4, 1]])
def test_any_split_into_batches_gives_the_same_scores(metric: Metric, clips: Clips, split: list[int]) -> None:
    real, fake = clips()
    whole = metric.update(real, fake)
    mean = metric.compute()
    metric.reset()
    parts = [metric.update(r, f) for r, f in zip(real.split(split), fake.split(split), strict=True)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-5, atol=1e-6)
    assert metric.compute() == pytest.approx(mean, rel=1e-5)
    assert mean == pytest.approx(float(whole.mean()), rel=1e-5)


def test_the_order_of_clips_does_not_matter(metric: Metric, clips: Clips) -> None:
    real, fake = clips()
    scores = metric.update(real, fake)
    mean = metric.compute()
    metric.reset()
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(metric.update(real[order], fake[order]), scores[order], rtol=1e-5, atol=1e-6)
    assert metric.compute() == pytest.approx(mean, rel=1e-6)


def test_a_clip_scores_the_mean_of_its_frames(metric: Metric, clips: Clips) -> None:
    real, fake = clips(num_clips=2, num_frames=4)
    scores = metric.update(real, fake)
    frames = metric.update(real.reshape(8, 1, *real.shape[2:]), fake.reshape(8, 1, *fake.shape[2:]))
    assert scores.shape == (2,)
    torch.testing.assert_close(scores, frames.view(2, 4).mean(dim=1), rtol=1e-5, atol=1e-6)


def test_clips_count_the_same_whatever_their_length(metric: Metric, clips: Clips) -> None:
    long, short = metric.update(*clips(1, 7)), metric.update(*clips(1, 1))
    assert metric.compute() == pytest.approx((float(long) + float(short)) / 2, rel=1e-6)


def test_the_size_of_chunks_does_not_matter(metric: Metric, clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = clips()
    whole = metric.update(real, fake)
    monkeypatch.setattr(type(metric), "chunk_pixels", 2 * 20 * 18)
    torch.testing.assert_close(metric.update(real, fake), whole, rtol=1e-5, atol=1e-6)


def test_identical_clips_score_best_and_stay_finite(metric: Metric, clips: Clips) -> None:
    real, fake = clips()
    best, others = metric.update(real, real.clone()), metric.update(real, fake)
    assert best.isfinite().all()
    assert math.isfinite(metric.compute())
    assert (best > others).all() if metric.higher_is_better else (best < others).all()


def test_more_noise_scores_worse(metric: Metric, clips: Clips) -> None:
    scores = metric.update(*clips())
    worse = scores.diff() < 0 if metric.higher_is_better else scores.diff() > 0
    assert worse.all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_pixels_that_are_not_finite_name_the_clip(metric: Metric, clips: Clips, value: float, side: int) -> None:
    pair = clips()
    pair[side][3, 1, 2, 5, 5] = value
    with pytest.raises(VqtoolError, match=rf"{['input', 'reconstruction'][side]} of clip 3 of the batch"):
        metric.update(*pair)


def test_pixels_outside_the_unit_range_are_a_mistake_of_the_caller(metric: Metric, clips: Clips) -> None:
    real, fake = clips()
    for wrong in (fake * 2 - 1, fake * 255):
        with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
            metric.update(real, wrong)


def test_shapes_must_agree(metric: Metric, clips: Clips) -> None:
    real, fake = clips()
    for a, b in ((real, fake[:4]), (real[0], fake[0]), (real[:0], fake[:0])):
        with pytest.raises(ValueError, match="expected BTCHW"):
            metric.update(a, b)


def test_frames_that_are_too_small_are_a_mistake_in_the_config(metric: Metric, clips: Clips) -> None:
    least = metric.min_size
    assert metric.update(*clips(1, 1, least, least)).isfinite().all()
    if least > 1:
        with pytest.raises(ConfigError, match=f"at least {least} x {least} pixels"):
            metric.update(*clips(1, 1, least, least - 1))


def test_no_clips_is_an_error_not_a_number(metric: Metric, clips: Clips) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=f"{metric.name} of no clips"):
            metric.compute()
        metric.update(*clips())
        metric.reset()


def test_scores_carry_no_gradient_and_ignore_autocast(metric: Metric, clips: Clips) -> None:
    real, fake = clips()
    exact = metric.update(real, fake)
    with torch.autocast("cpu", torch.bfloat16):
        scores = metric.update(real, fake.clone().requires_grad_())
    assert not scores.requires_grad
    assert torch.equal(scores, exact)
