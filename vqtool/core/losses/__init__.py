"""The loss of a tokenizer: a weighted sum whose parts with weight 0 are not built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vqtool.core.config import LossConfig
from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses.code_features import CodeFeatures
from vqtool.core.losses.perceptual import PerceptualLoss
from vqtool.core.losses.reconstruction import pixel_distances
from vqtool.core.losses.video_features import VideoFeatureLoss
from vqtool.core.tokenizers import Reconstruction


@dataclass(frozen=True)
class Loss:
    """`total` is minimised; `parts` are the unweighted terms by name, detached, for the log.

    `of_codes` is the share of the total that is not of the reconstructed frames.
    """

    total: Tensor
    of_codes: Tensor
    parts: dict[str, Tensor]


class TokenizerLoss(nn.Module):
    """Pixel distance, LPIPS, moments of video features and the quantizer's own loss, weighted.

    Esser et al. 2021, eq. 4; the adversarial loss stands beside it, for it needs a second optimiser.
    """

    def __init__(
        self,
        config: LossConfig,
        lpips: LPIPS | None,
        video_features: VideoFeatureLoss | None = None,
        code_features: CodeFeatures | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        if (config.perceptual_weight > 0) != (lpips is not None):
            raise ValueError("LPIPS is needed exactly where loss.perceptual_weight > 0")
        if config.has_video_features != (video_features is not None):
            raise ValueError("I3D is needed exactly where loss.fvd_mean_weight or loss.fvd_cov_weight > 0")
        if (config.feature_weight > 0) != (code_features is not None):
            raise ValueError("what tells features from codes is needed exactly where loss.feature_weight > 0")
        self.perceptual = PerceptualLoss(lpips, code_features) if lpips is not None else None
        self.video_features = video_features

    def forward(self, frames_BTCHW: Tensor, result: Reconstruction, share_done: float = 1.0) -> Loss:
        """The loss of a reconstruction of `frames_BTCHW`, or of the target it names, both in [-1, 1].

        `share_done` in [0, 1] is how much of the run is over: LPIPS may have a later start.
        """
        target_BTCHW = frames_BTCHW if result.target_BTCHW is None else result.target_BTCHW
        distances_BTCHW = pixel_distances(target_BTCHW, result.frames_BTCHW, self.config.pixel_kind)
        pixel = distances_BTCHW.mean()
        of_codes = self.config.codebook_weight * result.quantizer_loss
        total = self.config.pixel_weight * pixel
        parts = {"pixel": pixel.detach(), **result.quantizer_parts}
        if self.config.motion_weight and result.moving_BTHW is not None:
            # What moving pixels add to the plain mean at an extra weight of 1: the loss is the mean of weight x
            # distance, weight = 1 + motion_weight where something moves, so still clips count less than busy ones.
            motion = (distances_BTCHW * result.moving_BTHW[:, :, None]).mean()
            total = total + self.config.pixel_weight * self.config.motion_weight * motion
            parts["motion"] = motion.detach()
        if self.perceptual is not None and share_done >= self.config.perceptual_start:
            losses = self.perceptual(target_BTCHW, result.frames_BTCHW, result.codes_NCHW)
            total = total + self.config.perceptual_weight * losses["perceptual"]
            if "features" in losses:
                of_codes = of_codes + self.config.feature_weight * losses["features"]
            parts |= {name: loss.detach() for name, loss in losses.items()}
        # A target of its own is pictures, or some frames in any order: no clip.
        if self.video_features is not None and result.target_BTCHW is None:
            weights = {"fvd_mean": self.config.fvd_mean_weight, "fvd_cov": self.config.fvd_cov_weight}
            distances = self.video_features(target_BTCHW, result.frames_BTCHW)
            for name, weight in weights.items():
                if weight:
                    total = total + weight * distances[name]
                    parts[name] = distances[name].detach()
        total = total + of_codes
        return Loss(total, of_codes, {"total": total.detach(), **parts})

    def state(self) -> dict[str, Any]:
        """What a resume needs: running moments of video features and what is trained along, where they are used."""
        return {name: part.state_dict() for name, part in self._with_state().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; what is new in the loss since then starts afresh."""
        for name, part in self._with_state().items():
            if name in state:
                part.load_state_dict(state[name])

    def _with_state(self) -> dict[str, nn.Module]:
        parts: dict[str, nn.Module | None] = {
            "moments": self.video_features.moments if self.video_features is not None else None,
            "code_features": self.perceptual.code_features if self.perceptual is not None else None,
        }
        return {name: part for name, part in parts.items() if part is not None}
