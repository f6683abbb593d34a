"""The loss of a tokenizer: a weighted sum whose parts with weight 0 are not built."""

from dataclasses import dataclass

from torch import Tensor, nn

from vqtool.core.config import LossConfig
from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses.perceptual import PerceptualLoss
from vqtool.core.losses.reconstruction import l1
from vqtool.core.tokenizers import Reconstruction


@dataclass(frozen=True)
class Loss:
    """`total` is minimised; `parts` are the unweighted terms by name, detached, for the log."""

    total: Tensor
    parts: dict[str, Tensor]


class TokenizerLoss(nn.Module):
    """Pixel L1, LPIPS and the quantizer's own loss, weighted (Esser et al. 2021, eq. 4 without its GAN)."""

    def __init__(self, config: LossConfig, lpips: LPIPS | None) -> None:
        super().__init__()
        self.config = config
        if (config.perceptual_weight > 0) != (lpips is not None):
            raise ValueError("LPIPS is needed exactly where loss.perceptual_weight > 0")
        self.perceptual = PerceptualLoss(lpips) if lpips is not None else None

    def forward(self, frames_BTCHW: Tensor, result: Reconstruction) -> Loss:
        """The loss of a reconstruction of `frames_BTCHW`, or of the target it names, both in [-1, 1]."""
        target_BTCHW = frames_BTCHW if result.target_BTCHW is None else result.target_BTCHW
        pixel = l1(target_BTCHW, result.frames_BTCHW)
        weighted = pixel
        if self.config.motion_weight and result.moving_BTHW is not None:
            weighted = l1(target_BTCHW, result.frames_BTCHW, 1 + self.config.motion_weight * result.moving_BTHW)
        total = self.config.pixel_weight * weighted + self.config.codebook_weight * result.quantizer_loss
        parts = {"pixel": pixel.detach(), **result.quantizer_parts}
        if self.perceptual is not None:
            perceptual = self.perceptual(target_BTCHW, result.frames_BTCHW)
            total = total + self.config.perceptual_weight * perceptual
            parts["perceptual"] = perceptual.detach()
        return Loss(total, {"total": total.detach(), **parts})
