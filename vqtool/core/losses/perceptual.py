"""The perceptual loss: LPIPS between frames and their reconstruction."""

from torch import Tensor, nn

from vqtool.core.features.lpips import LPIPS


class PerceptualLoss(nn.Module):
    """Mean LPIPS over one in `every` frames (Zhang et al. 2018); the network is frozen and belongs in no checkpoint.

    The frames 0, every, 2 x every... of a batch, whose clips are drawn at random: an estimate of the mean over all.
    """

    def __init__(self, lpips: LPIPS, every: int = 1) -> None:
        super().__init__()
        self.lpips = lpips
        self.every = every

    def forward(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """The loss, a scalar >= 0 in fp32; pixels are in [-1, 1]; the gradient goes to `fake_BTCHW` only.

        Raises:
            ConfigError: frames under 16 x 16 pixels.
        """
        distances_N: Tensor = self.lpips(*(frames.flatten(0, 1)[:: self.every] for frames in (real_BTCHW, fake_BTCHW)))
        return distances_N.mean()
