"""The perceptual loss: LPIPS between frames and their reconstruction."""

from torch import Tensor, nn

from vqtool.core.features.lpips import LPIPS


class PerceptualLoss(nn.Module):
    """Mean LPIPS over all frames (Zhang et al. 2018); the network is frozen and belongs in no checkpoint."""

    def __init__(self, lpips: LPIPS) -> None:
        super().__init__()
        self.lpips = lpips

    def forward(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """The loss, a scalar >= 0 in fp32; pixels are in [-1, 1]; the gradient goes to `fake_BTCHW` only.

        Raises:
            ConfigError: frames under 16 x 16 pixels.
        """
        distances_N: Tensor = self.lpips(real_BTCHW.flatten(0, 1), fake_BTCHW.flatten(0, 1))
        return distances_N.mean()
