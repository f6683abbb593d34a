"""Running moments and the losses on them, against numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vqtool.core.config import LossConfig
from vqtool.core.features.i3d import I3D
from vqtool.core.losses import TokenizerLoss
from vqtool.core.losses.video_features import RunningMoments, VideoFeatureLoss
from vqtool.core.tokenizers import Reconstruction

NUM_FEATURES = 25


@pytest.fixture(scope="module")
def i3d() -> I3D:
    torch.manual_seed(0)
    network = I3D(divisor=16, size=32)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter)
    return network


def clips(seed: int, num_frames: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, num_frames, 3, 16, 16, generator=generator) * 2 - 1


def test_the_moments_of_several_batches_are_those_of_all_clips() -> None:
    features = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0)) * 2 + 5
    moments = RunningMoments(3)
    for batch in features:
        mean, covariance = moments(batch)
    flat = features.flatten(0, 1).double().numpy()
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(flat.T, bias=True), rtol=1e-3, atol=1e-4)


def test_later_batches_fade_the_earlier_ones() -> None:
    features = torch.randn(300, 4, 2, generator=torch.Generator().manual_seed(0)).double()
    moments = RunningMoments(2)
    weights = np.zeros(300)
    for number, batch in enumerate(features):
        mean, covariance = moments(batch.float())
        decay = min(number / (number + 1), 0.99)
        weights *= decay
        weights[number] = 1 - decay
    each = np.repeat(weights / 4, 4)
    flat = features.flatten(0, 1).numpy()
    np.testing.assert_allclose(mean, each @ flat, atol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(flat.T, aweights=each, bias=True), atol=1e-4)


def test_the_gradient_is_that_of_the_batch_at_the_running_value() -> None:
    generator = torch.Generator().manual_seed(0)
    old, batch = torch.randn(2, 5, 3, generator=generator).double()
    target_mean, target_covariance = torch.randn(3, generator=generator).double(), torch.eye(3).double()
    moments = RunningMoments(3)
    moments(old.float())
    features = batch.float().requires_grad_()
    mean, covariance = moments(features)
    loss = (mean - target_mean.float()).square().sum() + (covariance - target_covariance.float()).square().sum()
    (found,) = torch.autograd.grad(loss, features)

    def whole(changed: np.ndarray) -> float:
        """The loss where the change of the batch counts whole."""
        both = [old.numpy(), batch.numpy(), changed]
        means = [part.mean(axis=0) for part in both]
        seconds = [part.T @ part / len(part) for part in both]
        mean = (means[0] + means[1]) / 2 + means[2] - means[1]
        second = (seconds[0] + seconds[1]) / 2 + seconds[2] - seconds[1]
        covariance = second - np.outer(mean, mean)
        return ((mean - target_mean.numpy()) ** 2).sum() + ((covariance - target_covariance.numpy()) ** 2).sum()

    for place in np.ndindex(5, 3):
        step = np.zeros((5, 3))
        step[place] = 1e-5
        slope = (whole(batch.numpy() + step) - whole(batch.numpy() - step)) / 2e-5
        assert float(found[place]) == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_the_losses_are_the_distances_of_the_moments(i3d: I3D) -> None:
    loss = VideoFeatureLoss(i3d, NUM_FEATURES)
    reals, fakes = [clips(0), clips(1)], [clips(2) * 0.5, clips(3) * 0.5]
    for real, fake in zip(reals, fakes, strict=True):
        found = loss(real, fake)
    with torch.no_grad():
        real, fake = (torch.cat([i3d(clip) for clip in side]).double().numpy() for side in (reals, fakes))
    assert float(found["fvd_mean"]) == pytest.approx(((real.mean(0) - fake.mean(0)) ** 2).sum(), rel=1e-3)
    difference = np.cov(real.T, bias=True) - np.cov(fake.T, bias=True)
    assert float(found["fvd_cov"]) == pytest.approx((difference**2).sum() / (4 * NUM_FEATURES**2), rel=1e-3)


def test_only_the_reconstruction_gets_a_gradient_and_the_network_stays_as_it_is(i3d: I3D) -> None:
    before = {name: value.clone() for name, value in i3d.state_dict().items()}
    loss = VideoFeatureLoss(i3d, NUM_FEATURES).train()
    real, fake = clips(0).requires_grad_(), clips(1).requires_grad_()
    sum(loss(real, fake).values()).backward()
    assert real.grad is None
    assert fake.grad is not None and fake.grad.isfinite().all() and fake.grad.abs().sum() > 0
    assert not i3d.training
    assert all(parameter.grad is None for parameter in i3d.parameters())
    assert all(torch.equal(value, before[name]) for name, value in i3d.state_dict().items())


def test_features_are_fp32_under_autocast(i3d: I3D) -> None:
    plain = VideoFeatureLoss(i3d, NUM_FEATURES)(clips(0), clips(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = VideoFeatureLoss(i3d, NUM_FEATURES)(clips(0), clips(1))
    assert found == plain


def answer(fake: Tensor) -> Reconstruction:
    zero = torch.zeros(())
    return Reconstruction(fake, None, zero, {}, zero.long())


def test_the_weighted_losses_are_part_of_the_total_of_whole_clips(i3d: I3D) -> None:
    config = LossConfig(perceptual_weight=0, fvd_mean_weight=0.5, fvd_cov_weight=3)
    loss = TokenizerLoss(config, None, VideoFeatureLoss(i3d, NUM_FEATURES))
    parts = loss(clips(0), answer(clips(1))).parts
    expected = parts["pixel"] + 0.5 * parts["fvd_mean"] + 3 * parts["fvd_cov"]
    torch.testing.assert_close(parts["total"], expected)
    some = replace(answer(clips(1)), target_BTCHW=clips(2))
    assert "fvd_mean" not in loss(clips(0), some).parts
    one = LossConfig(perceptual_weight=0, fvd_cov_weight=3)
    parts = TokenizerLoss(one, None, VideoFeatureLoss(i3d, NUM_FEATURES))(clips(0), answer(clips(1))).parts
    assert {"fvd_mean", "fvd_cov"} & parts.keys() == {"fvd_cov"}


def test_its_network_is_needed_exactly_where_it_has_a_weight(i3d: I3D) -> None:
    with pytest.raises(ValueError, match="I3D is needed"):
        TokenizerLoss(LossConfig(perceptual_weight=0, fvd_cov_weight=1), None)
    with pytest.raises(ValueError, match="I3D is needed"):
        TokenizerLoss(LossConfig(perceptual_weight=0), None, VideoFeatureLoss(i3d))


def test_the_state_holds_the_moments_and_no_network(i3d: I3D) -> None:
    config = LossConfig(perceptual_weight=0, fvd_mean_weight=1)
    losses = [TokenizerLoss(config, None, VideoFeatureLoss(i3d, NUM_FEATURES)) for _ in range(2)]
    losses[0](clips(0), answer(clips(1)))
    state = losses[0].state()
    assert sum(value.numel() for value in state["moments"].values()) == 2 * (NUM_FEATURES + NUM_FEATURES**2 + 1)
    losses[1].restore(state)
    assert losses[0](clips(2), answer(clips(3))).total == losses[1](clips(2), answer(clips(3))).total
