"""PSNR of moving and of static pixels, by hand."""

import math

import pytest
import torch

from vqtool.core.metrics import build_metrics
from vqtool.core.metrics.moving import MOVED, moving_pixels
from vqtool.core.metrics.psnr import MAX_DB


def clip_with_a_block() -> torch.Tensor:
    """(1, 4, 3, 8, 8): grey, with a 2x2 block that is white in the last frame and black in the others."""
    clip = torch.full((1, 4, 3, 8, 8), 100 / 255)
    clip[..., :2, :2] = 0.0
    clip[:, 3, :, :2, :2] = 1.0
    return clip


def test_a_block_that_changes_moves_in_every_frame_and_nothing_else_does() -> None:
    clip = clip_with_a_block()
    moving = moving_pixels(clip, clip.mean(dim=1))
    assert moving.sum() == 4 * 4
    assert moving[..., :2, :2].all()


def test_one_channel_is_enough_and_the_border_is_twelve_levels() -> None:
    clip = torch.zeros(1, 2, 3, 1, 2)
    clip[0, 0, 1, 0] = torch.tensor([2 * MOVED - 1e-4, 2 * MOVED + 1e-4])  # the mean lies half way
    assert moving_pixels(clip, clip.mean(dim=1))[0, :, 0].tolist() == [[False, True]] * 2


def test_each_sees_its_own_pixels_only() -> None:
    real = clip_with_a_block()
    fake = real + 0.02
    fake[..., :2, :2] = (real + 0.1 * (1 - 2 * real))[..., :2, :2]
    moving, static = build_metrics(["psnr_moving", "psnr_static"])
    assert moving.update(real, fake).tolist() == pytest.approx([20.0], abs=1e-4)
    assert static.update(real, fake).tolist() == pytest.approx([-20 * math.log10(0.02)], abs=1e-4)


def test_the_mean_frame_is_perfect_where_nothing_moves() -> None:
    real = clip_with_a_block()
    mean = real.mean(dim=1, keepdim=True).expand_as(real)
    moving, static = build_metrics(["psnr_moving", "psnr_static"])
    assert float(static.update(real, mean)) == pytest.approx(MAX_DB)
    # The block is black three times of four: its mean is 1/4, the errors are 1/4 (3 times) and 3/4.
    assert float(moving.update(real, mean)) == pytest.approx(-10 * math.log10((3 / 16 + 9 / 16) / 4), abs=1e-4)


def test_a_clip_in_which_nothing_moves_is_scored_by_all_it_has() -> None:
    real = torch.full((1, 3, 3, 4, 4), 0.5)
    (moving,) = build_metrics(["psnr_moving"])
    assert float(moving.update(real, real + 0.1)) == pytest.approx(20, abs=1e-4)
