"""LPIPS with a late start: before it the loss is, number for number, the one without it."""

import torch

from vqtool.core.config import LossConfig
from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses import TokenizerLoss
from vqtool.core.tokenizers import Reconstruction

NARROW = (4, 4, 4, 4, 4)


def reconstruction(frames_BTCHW: torch.Tensor) -> Reconstruction:
    return Reconstruction(frames_BTCHW, None, torch.tensor(0.25), {}, torch.zeros((), dtype=torch.int64))


def test_lpips_takes_part_from_its_share_of_the_run_on() -> None:
    torch.manual_seed(0)
    lpips = LPIPS(NARROW)
    real, fake = torch.rand(2, 1, 3, 16, 16) * 2 - 1, torch.rand(2, 1, 3, 16, 16) * 2 - 1
    loss = TokenizerLoss(LossConfig(perceptual_weight=2, perceptual_start=0.5), lpips)
    without = TokenizerLoss(LossConfig(perceptual_weight=0), None)(real, reconstruction(fake))

    before = loss(real, reconstruction(fake), 0.49)
    assert before.parts.keys() == without.parts.keys()
    assert before.total == without.total

    distance = lpips(real.flatten(0, 1), fake.flatten(0, 1)).mean()
    for after in (loss(real, reconstruction(fake), 0.5), loss(real, reconstruction(fake))):
        torch.testing.assert_close(after.total, without.total + 2 * distance)
        torch.testing.assert_close(after.parts["perceptual"], distance)
