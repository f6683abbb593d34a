"""Features told from codes: against LPIPS written out, with a gradient to codes and to what tells, to nothing else."""

import pytest
import torch
from torch import Tensor

from vqtool.core.config import LossConfig
from vqtool.core.config_file import load_config
from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses import TokenizerLoss
from vqtool.core.losses.code_features import CodeFeatures
from vqtool.core.losses.perceptual import PerceptualLoss
from vqtool.core.tokenizers import Reconstruction
from vqtool.errors import ConfigError

CHANNELS = (4, 6, 4, 6, 4)
CODE_DIM = 5


@pytest.fixture
def lpips() -> LPIPS:
    torch.manual_seed(0)
    return LPIPS(CHANNELS)


def frames(num_frames: int = 3) -> Tensor:
    return torch.rand(1, num_frames, 3, 32, 32) * 2 - 1


def on_grid(layer_NCHW: Tensor, size: int) -> Tensor:
    """Square maps to `size` positions a side: means of their squares, or each position many times."""
    times = layer_NCHW.shape[-1] // size
    if times:
        return layer_NCHW.unflatten(-1, (size, times)).unflatten(-3, (size, times)).mean(dim=(-3, -1))
    return layer_NCHW.repeat_interleave(size // layer_NCHW.shape[-1], -1).repeat_interleave(
        size // layer_NCHW.shape[-1], -2
    )


def unit(maps_NCHW: Tensor) -> Tensor:
    return maps_NCHW / maps_NCHW.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("size", [2, 8])
def test_it_is_lpips_of_what_codes_tell_and_of_averaged_features(lpips: LPIPS, size: int) -> None:
    real, codes = frames(), torch.randn(3, CODE_DIM, size, size)
    code_features = CodeFeatures(CODE_DIM, CHANNELS)
    losses = PerceptualLoss(lpips, code_features)(real, frames(), codes)
    told = code_features.tell(codes).split(CHANNELS, dim=1)
    expected = torch.zeros(())
    for layer, head, found in zip(lpips.features(real[0]), lpips.heads, told, strict=True):
        difference = unit(on_grid(layer, size)) - unit(found)
        expected = expected + (difference.square() * head[:, None, None]).sum(dim=1).mean()
    torch.testing.assert_close(losses["features"], expected)


def test_codes_that_tell_everything_cost_nothing(lpips: LPIPS) -> None:
    real = frames()
    told = torch.cat([on_grid(layer, 2) for layer in lpips.features(real[0])], dim=1)
    code_features = CodeFeatures(sum(CHANNELS), CHANNELS)
    torch.nn.init.dirac_(code_features.tell.weight)
    torch.nn.init.zeros_(code_features.tell.bias)
    loss = PerceptualLoss(lpips, code_features)
    told, other = told.detach(), told.detach().flip(0)
    assert loss(real, frames(), told)["features"].item() == pytest.approx(0, abs=1e-6)
    assert loss(real, frames(), other)["features"].item() > 1e-3


def test_it_reaches_codes_and_what_tells_and_is_apart_from_the_frames(lpips: LPIPS) -> None:
    real, fake = frames(), frames().requires_grad_()
    codes = torch.randn(3, CODE_DIM, 2, 2, requires_grad=True)
    code_features = CodeFeatures(CODE_DIM, CHANNELS)
    config = LossConfig(perceptual_weight=2, feature_weight=3, codebook_weight=5)
    of_quantizer = torch.tensor(0.25)
    result = Reconstruction(fake, None, of_quantizer, {}, torch.zeros((), dtype=torch.int64), codes_NCHW=codes)
    loss = TokenizerLoss(config, lpips, code_features=code_features)(real, result)

    torch.testing.assert_close(loss.of_codes.detach(), 3 * loss.parts["features"] + 5 * of_quantizer)
    of_frames = config.pixel_weight * loss.parts["pixel"] + 2 * loss.parts["perceptual"]
    torch.testing.assert_close(loss.total.detach(), of_frames + loss.of_codes.detach())
    assert torch.autograd.grad(loss.of_codes, fake, retain_graph=True, allow_unused=True) == (None,)
    loss.total.backward()
    assert codes.grad.abs().sum() > 0
    assert fake.grad.abs().sum() > 0
    assert code_features.tell.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in lpips.parameters())


def test_without_codes_of_a_frame_it_takes_no_part(lpips: LPIPS) -> None:
    loss = PerceptualLoss(lpips, CodeFeatures(CODE_DIM, CHANNELS))
    assert loss(frames(), frames()).keys() == {"perceptual"}


def test_it_is_built_exactly_where_it_has_a_weight(lpips: LPIPS) -> None:
    for weight, code_features in ((1, None), (0, CodeFeatures(CODE_DIM, CHANNELS))):
        with pytest.raises(ValueError, match="feature_weight"):
            TokenizerLoss(LossConfig(feature_weight=weight), lpips, code_features=code_features)


def test_without_lpips_its_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="set perceptual_weight above 0 too"):
        load_config("best", ["loss.feature_weight=1"])
