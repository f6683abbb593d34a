"""PatchGAN: what a logit sees, and what it does not."""

import pytest
import torch
from torch import Tensor

from vqtool.core.config import LossConfig
from vqtool.core.networks.discriminator import PatchDiscriminator, build_discriminator
from vqtool.errors import ConfigError


def build(kind: str, num_layers: int = 2, resolution: int = 96) -> PatchDiscriminator:
    torch.manual_seed(0)
    config = LossConfig(discriminator_kind=kind, discriminator_layers=num_layers, discriminator_channels=4)
    return build_discriminator(config, resolution)


def clips(num_clips: int, num_frames: int, size: int) -> Tensor:
    return torch.rand(num_clips, num_frames, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("num_layers", "expected"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch_of_the_published_size(num_layers: int, expected: int) -> None:
    discriminator = build("2d", num_layers)
    for module in discriminator.modules():  # the normalisation looks at the whole frame
        if isinstance(module, torch.nn.GroupNorm):
            module.forward = lambda x: x  # type: ignore[method-assign]
    frames = clips(1, 1, 96).requires_grad_()
    logits = discriminator(frames)
    middle = logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2]
    (gradient,) = torch.autograd.grad(middle, frames)
    seen = gradient.abs().sum(dim=(0, 1, 2)).nonzero()
    assert (seen.amax(dim=0) - seen.amin(dim=0) + 1).tolist() == [expected, expected]


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_a_clip_is_judged_by_itself(kind: str) -> None:
    discriminator, frames = build(kind), clips(3, 4, 32)
    logits = discriminator(frames)
    alone = discriminator(frames[2:])
    assert logits.shape[0] == 3 * alone.shape[0]
    torch.testing.assert_close(logits.view(3, *alone.shape)[2], alone)


def test_frames_are_judged_one_at_a_time_and_clips_by_their_motion() -> None:
    frames = clips(1, 4, 32)
    shuffled = frames[:, [2, 0, 3, 1]]
    by_frame = build("2d")
    torch.testing.assert_close(by_frame(shuffled), by_frame(frames)[[2, 0, 3, 1]])
    by_clip = build("3d")
    assert by_clip(frames).shape[2] == 4
    assert not torch.allclose(by_clip(shuffled), by_clip(frames)[:, :, [2, 0, 3, 1]], atol=1e-6)


@pytest.mark.parametrize("kind", ["2d", "3d"])
def test_single_frames_of_the_smallest_size_have_a_logit(kind: str) -> None:
    assert build(kind, 2, 12)(clips(2, 1, 12)).numel() == 2
    with pytest.raises(ConfigError, match=r"discriminator_layers=2 leaves nothing of frames of 11 pixels"):
        build(kind, 2, 11)
