"""The perceptual loss: LPIPS between frames and their reconstruction, and how well codes tell what it compares."""

from torch import Tensor, nn

from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses.code_features import CodeFeatures


class PerceptualLoss(nn.Module):
    """Mean LPIPS over all frames (Zhang et al. 2018); the network is frozen and belongs in no checkpoint.

    `code_features`, where there is one, is trained along: the features of the real frames serve both.
    """

    def __init__(self, lpips: LPIPS, code_features: CodeFeatures | None = None) -> None:
        super().__init__()
        self.lpips = lpips
        self.code_features = code_features

    def forward(self, real_BTCHW: Tensor, fake_BTCHW: Tensor, codes_NCHW: Tensor | None = None) -> dict[str, Tensor]:
        """The losses by name, scalars >= 0 in fp32: `perceptual`, and `features` where codes are to tell features.

        Pixels are in [-1, 1]; the gradient goes to `fake_BTCHW` and `codes_NCHW`, the codes of each frame, N = B x T.

        Raises:
            ConfigError: frames under 16 x 16 pixels.
        """
        real_features, fake_features = self.lpips.pair_features(real_BTCHW.flatten(0, 1), fake_BTCHW.flatten(0, 1))
        losses = {"perceptual": self.lpips.distances(real_features, fake_features).mean()}
        if self.code_features is not None and codes_NCHW is not None:
            told, real = self.code_features(codes_NCHW, real_features)
            losses["features"] = self.lpips.distances(real, told).mean()
        return losses
