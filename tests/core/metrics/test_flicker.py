"""Temporal flicker by hand."""

import pytest
import torch

from vqtool.core.metrics import build_metrics
from vqtool.core.metrics.flicker import flicker

REAL = torch.full((1, 5, 3, 4, 4), 100 / 255)


def shifted(*levels: float) -> torch.Tensor:
    """The real clip with every pixel of frame t `levels[t]` grey levels brighter."""
    return REAL + torch.tensor(levels).view(1, -1, 1, 1, 1) / 255


def test_an_error_that_stays_does_not_flicker_and_one_that_comes_and_goes_does() -> None:
    assert float(flicker(REAL, shifted(30, 30, 30, 30, 30))) == pytest.approx(0, abs=1e-4)
    assert float(flicker(REAL, shifted(15, -15, 15, -15, 15))) == pytest.approx(30, rel=1e-4)
    assert float(flicker(REAL, shifted(0, 0, 8, 0, 0))) == pytest.approx((8 + 8) / 4, rel=1e-4)


def test_a_still_picture_scores_the_motion_of_the_clip() -> None:
    clip = torch.rand(2, 6, 3, 4, 4)
    still = clip.mean(dim=1, keepdim=True).expand_as(clip)
    motion = (clip[:, 1:] - clip[:, :-1]).abs().mean(dim=(1, 2, 3, 4)) * 255
    torch.testing.assert_close(flicker(clip, still), motion)


def test_it_is_measured_in_grey_levels_and_counts_each_clip() -> None:
    (metric,) = build_metrics(["flicker"])
    metric.update(REAL.repeat(2, 1, 1, 1, 1), torch.cat([shifted(0, 0, 0, 0, 0), shifted(0, 4, 0, 4, 0)]))
    assert metric.compute() == pytest.approx(2, rel=1e-4)
    assert metric.unit == "levels"
