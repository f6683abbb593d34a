"""Pixel distances by hand, and the extra weight of what moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vqtool.core.config import LossConfig
from vqtool.core.losses import TokenizerLoss
from vqtool.core.losses.reconstruction import moving_pixels, pixel_loss
from vqtool.core.tokenizers import Reconstruction


def answer(fake: torch.Tensor, context: torch.Tensor | None = None) -> Reconstruction:
    zero = torch.zeros(())
    return Reconstruction(fake, None, zero, {}, zero.long(), context_BTCHW=context)


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


def test_a_pixel_moves_where_any_channel_does() -> None:
    context = torch.zeros(1, 2, 3, 2, 2)
    real = context.clone()
    real[0, 1, 2, 0, 1] = -0.3
    real[0, 0, 0, 1, 1] = 0.2
    moving = moving_pixels(real, context, 0.25)
    assert moving.shape == (1, 2, 1, 2, 2)
    assert moving.nonzero().tolist() == [[0, 1, 0, 0, 1]]


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_the_loss_is_the_plain_mean_of_weight_times_distance(kind: str) -> None:
    real, fake = clips()
    context = real + 0.4 * (torch.rand(real.shape, generator=torch.Generator().manual_seed(1)) - 0.5)
    config = LossConfig(
        pixel_weight=2, pixel_kind=kind, motion_weight=8, motion_threshold=0.15, perceptual_weight=0
    )  # fmt: skip
    loss = TokenizerLoss(config, None)(real, answer(fake, context))
    total = count = 0.0
    fake = fake.detach()
    for place in np.ndindex(3, 4, 5, 6):
        b, t, h, w = place
        moves = max(abs(float(real[b, t, c, h, w] - context[b, t, c, h, w])) for c in range(3)) > 0.15
        for c in range(3):
            difference = float(real[b, t, c, h, w] - fake[b, t, c, h, w])
            total += (9 if moves else 1) * (abs(difference) if kind == "l1" else difference**2)
            count += 1
    assert float(loss.total) == pytest.approx(2 * total / count, rel=1e-5)
    assert float(loss.parts["pixel"]) == pytest.approx(float(pixel_loss(real, fake, kind)), rel=1e-6)
    assert "motion" in loss.parts


def test_without_context_or_weight_every_pixel_counts_the_same() -> None:
    real, fake = clips()
    weighted = LossConfig(motion_weight=8, perceptual_weight=0)
    plain = TokenizerLoss(LossConfig(perceptual_weight=0), None)
    expected = pixel_loss(real, fake).detach()
    for loss in (TokenizerLoss(weighted, None)(real, answer(fake)), plain(real, answer(fake, real.roll(1, 1)))):
        assert torch.equal(loss.total.detach(), expected)
        assert set(loss.parts) == {"total", "pixel"}


def test_the_target_that_a_tokenizer_names_is_compared() -> None:
    real, fake = clips()
    config = LossConfig(motion_weight=8, perceptual_weight=0)
    named = replace(answer(fake[:, :1], real[:, 1:2]), target_BTCHW=real[:, :1])
    loss = TokenizerLoss(config, None)(real, named)
    expected = TokenizerLoss(config, None)(real[:, :1], answer(fake[:, :1], real[:, 1:2]))
    assert loss.total == expected.total
    assert loss.parts["motion"] == expected.parts["motion"] > 0
