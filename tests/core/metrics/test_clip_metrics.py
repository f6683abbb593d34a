"""What metrics of single clips promise beyond `test_metric_contract.py`."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vqtool.core.metrics.base import ClipMetric, FrameMetric

Clips = Callable[..., tuple[Tensor, Tensor]]


@pytest.mark.parametrize("split", [[1, 1, 1, 1, 1], [2, 2, 1]])
def test_a_clip_scores_the_same_in_any_batch(clip_metric: ClipMetric, clips: Clips, split: list[int]) -> None:
    real, fake = clips()
    whole = clip_metric.update(real, fake)
    assert clip_metric.compute() == pytest.approx(float(whole.mean()), rel=1e-5)
    parts = [clip_metric.update(r, f) for r, f in zip(real.split(split), fake.split(split), strict=True)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-5, atol=1e-6)


def test_the_score_is_rounded_once_whatever_the_order(clip_metric: ClipMetric) -> None:
    """Values whose plain sum depends on the order: a running total gives 0 or 1/3 of the mean."""
    values = torch.tensor([1e20, 1.0, -1e20])
    for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2]):
        clip_metric.merge([{"scores": values[i : i + 1]} for i in order])
        assert clip_metric.compute() == 1 / 3


def test_clips_count_the_same_whatever_their_length(clip_metric: ClipMetric, clips: Clips) -> None:
    least = clip_metric.min_frames
    long, short = clip_metric.update(*clips(1, least + 6)), clip_metric.update(*clips(1, least))
    assert clip_metric.compute() == pytest.approx((float(long) + float(short)) / 2, rel=1e-6)


def test_identical_clips_score_best(clip_metric: ClipMetric, clips: Clips) -> None:
    real, fake = clips()
    best, others = clip_metric.update(real, real.clone()), clip_metric.update(real, fake)
    assert best.isfinite().all()
    assert (best > others).all() if clip_metric.higher_is_better else (best < others).all()


def test_more_noise_scores_worse(clip_metric: ClipMetric, clips: Clips) -> None:
    scores = clip_metric.update(*clips())
    worse = scores.diff() < 0 if clip_metric.higher_is_better else scores.diff() > 0
    assert worse.all()


def test_a_clip_scores_the_mean_of_its_frames(frame_metric: FrameMetric, clips: Clips) -> None:
    real, fake = clips(num_clips=2, num_frames=4)
    scores = frame_metric.update(real, fake)
    frames = frame_metric.update(real.reshape(8, 1, *real.shape[2:]), fake.reshape(8, 1, *fake.shape[2:]))
    assert scores.shape == (2,)
    torch.testing.assert_close(scores, frames.view(2, 4).mean(dim=1), rtol=1e-5, atol=1e-6)


def test_the_size_of_chunks_does_not_matter(
    frame_metric: FrameMetric, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fake = clips()
    whole = frame_metric.update(real, fake)
    monkeypatch.setattr(type(frame_metric), "chunk_pixels", 2 * 20 * 18)
    torch.testing.assert_close(frame_metric.update(real, fake), whole, rtol=1e-5, atol=1e-6)
