"""Losses on what a clip is about: the moments of I3D's logits, which FVD compares, over many batches."""

import torch
from torch import Tensor, nn

from vqtool.core.distributed import Processes
from vqtool.core.features.i3d import NUM_CLASSES
from vqtool.core.features.precision import full_fp32
from vqtool.core.losses.running import RunningAverage

MOMENTS_DECAY = 0.99
ALONE = Processes()


class RunningMoments(nn.Module):
    """Mean and covariance of features over about the last hundred batches.

    The covariance of the few clips of a batch has hardly any rank, so both are of a running mean of x and x x^T. Their
    gradient is that of the present batch's moments, not scaled down by its share of the average: a loss keeps its
    strength whatever the decay.
    """

    def __init__(self, num_features: int, processes: Processes = ALONE) -> None:
        super().__init__()
        self._num_features = num_features
        self.averages = RunningAverage(num_features + num_features**2, MOMENTS_DECAY, processes)

    def forward(self, features_BD: Tensor) -> tuple[Tensor, Tensor]:
        """Take in a batch of fp32 features; gives mean (D,) and covariance (D, D), that of the population."""
        second_DD = features_BD.T @ features_BD / len(features_BD)
        batch = torch.cat([features_BD.mean(dim=0), second_DD.flatten()])
        # The value of the average with the gradient of the batch.
        moments = self.averages.update(batch) + (batch - batch.detach())
        mean_D, second = moments.tensor_split([self._num_features])
        return mean_D, second.view_as(second_DD) - torch.outer(mean_D, mean_D)


class VideoFeatureLoss(nn.Module):
    """Distances between the moments of real and reconstructed clips' I3D logits.

    The network, (B, T, 3, H, W) in [-1, 1] -> (B, D), is frozen, in evaluation mode, and belongs in no checkpoint; its
    features are computed in fp32.
    """

    def __init__(self, i3d: nn.Module, num_features: int = NUM_CLASSES, processes: Processes = ALONE) -> None:
        super().__init__()
        self.i3d = i3d
        self.moments = nn.ModuleDict({side: RunningMoments(num_features, processes) for side in ("real", "fake")})

    def forward(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> dict[str, Tensor]:
        """Take in a batch; gives two scalars >= 0, whose gradient goes to `fake_BTCHW` only.

        `fvd_mean`: squared distance of the means, the first term of FVD (Unterthiner et al. 2018, eq. 1). `fvd_cov`:
        squared Frobenius distance of the covariances over 4 D^2 (Sun and Saenko 2016, eq. 1).

        Raises:
            ConfigError: clips of fewer than 9 frames.
        """
        with torch.autocast(real_BTCHW.device.type, enabled=False), full_fp32():
            with torch.no_grad():
                real_mean, real_cov = self.moments["real"](self.i3d(real_BTCHW.float()))
            fake_mean, fake_cov = self.moments["fake"](self.i3d(fake_BTCHW.float()))
        return {
            "fvd_mean": (real_mean - fake_mean).square().sum(),
            "fvd_cov": (real_cov - fake_cov).square().mean() / 4,
        }
