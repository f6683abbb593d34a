"""Pixel distances by hand, and the extra weight of what moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vqtool.core.config import LossConfig
from vqtool.core.losses import TokenizerLoss
from vqtool.core.losses.reconstruction import pixel_loss
from vqtool.core.tokenizers import Reconstruction


def answer(fake: torch.Tensor, moving: torch.Tensor | None = None) -> Reconstruction:
    zero = torch.zeros(())
    return Reconstruction(fake, None, zero, {}, zero.long(), moving_BTHW=moving)


def clips() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, 3, 4, 3, 5, 6, generator=generator) * 2 - 1
    return real, fake.requires_grad_()


def test_the_distances_are_those_of_numpy() -> None:
    real, fake = clips()
    difference = (real - fake).detach().double().numpy()
    expected = {"l1": np.abs(difference), "l2": difference**2, "charbonnier": np.hypot(difference, 1e-3)}
    for kind, values in expected.items():
        assert float(pixel_loss(real, fake.detach(), kind)) == pytest.approx(values.mean(), rel=1e-6)


def test_charbonnier_is_smooth_where_l1_is_not() -> None:
    fake = torch.tensor([-1e-5, 0.0, 1e-5, 0.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(4 * pixel_loss(torch.zeros(4), fake, "charbonnier"), fake)
    torch.testing.assert_close(gradient, torch.tensor([-0.01, 0.0, 0.01, 1.0]), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_the_loss_is_the_plain_mean_of_weight_times_distance(kind: str) -> None:
    real, fake = clips()
    moving = torch.rand(3, 4, 5, 6, generator=torch.Generator().manual_seed(1)) < 0.3
    config = LossConfig(pixel_weight=2, pixel_kind=kind, motion_weight=8, perceptual_weight=0)
    loss = TokenizerLoss(config, None)(real, answer(fake, moving))
    weights = np.where(moving.numpy(), 9.0, 1.0)[:, :, None]
    difference = np.abs((real - fake).detach().double().numpy())
    expected = 2 * (weights * (difference if kind == "l1" else difference**2)).mean()
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-5)
    assert torch.equal(loss.parts["pixel"], pixel_loss(real, fake, kind).detach())
    assert 2 * float(loss.parts["pixel"] + 8 * loss.parts["motion"]) == pytest.approx(expected, rel=1e-5)


def test_without_moving_pixels_or_a_weight_every_pixel_counts_the_same() -> None:
    real, fake = clips()
    weighted = LossConfig(motion_weight=8, perceptual_weight=0)
    plain = TokenizerLoss(LossConfig(perceptual_weight=0), None)
    expected = pixel_loss(real, fake).detach()
    everywhere = torch.ones(3, 4, 5, 6, dtype=torch.bool)
    for loss in (TokenizerLoss(weighted, None)(real, answer(fake)), plain(real, answer(fake, everywhere))):
        assert torch.equal(loss.total.detach(), expected)
        assert set(loss.parts) == {"total", "pixel"}


def test_the_target_that_a_tokenizer_names_is_compared() -> None:
    real, fake = clips()
    named = replace(answer(fake[:, :1]), target_BTCHW=real[:, :1])
    loss = TokenizerLoss(LossConfig(perceptual_weight=0), None)(real, named)
    assert torch.equal(loss.total.detach(), pixel_loss(real[:, :1], fake[:, :1]).detach())
