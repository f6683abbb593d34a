"""What every metric has in common: its name, unit and direction, and scores that stream in over any batches."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor

from vqtool.core.config import MetricName
from vqtool.core.features.lpips import LPIPS
from vqtool.errors import ConfigError, VqtoolError


def to_8bit_grid(frames: Tensor) -> Tensor:
    """Frames in [-1, 1] (any shape) as the 8-bit pixels that a user would save, in [0, 1] fp32: clamped and rounded.

    NaN stays NaN.
    """
    return ((frames.float() + 1) * 127.5).round().clamp(0, 255) / 255


class Metric(ABC):
    """A score of a clip, and its mean over all clips since the last reset."""

    name: ClassVar[MetricName]
    unit: ClassVar[str]
    """`dB`, or empty."""
    higher_is_better: ClassVar[bool]
    weights: ClassVar[str | None] = None
    """The name under which `vqtool.weights` knows the network that the metric needs."""
    min_size: ClassVar[int] = 1
    """Smallest height and width of a frame, pixels."""

    def __init__(self) -> None:
        self.reset()

    @classmethod
    def build(cls, lpips: LPIPS | None) -> Self:
        """The metric, with whichever of the networks it needs.

        Raises:
            ValueError: that network is None.
        """
        return cls()

    def reset(self) -> None:
        """Forget all clips."""
        self._total = 0.0
        self._num_clips = 0

    def update(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """Count these clips and give the score of each, (B,) fp32.

        Pixels are in [0, 1] and on the 8-bit grid (`to_8bit_grid`). Batches may differ in size and clips in length; in
        `compute` every clip counts the same.

        Raises:
            ValueError: the two differ in shape, or pixels outside [0, 1].
            VqtoolError: a clip has pixels that are NaN or infinite; names its place in the batch.
            ConfigError: frames smaller than `min_size`.
        """
        self._check(real_BTCHW, fake_BTCHW)
        with torch.no_grad(), torch.autocast(real_BTCHW.device.type, enabled=False):
            scores_B = self.score_clips(real_BTCHW.float(), fake_BTCHW.float())
        self._total += float(scores_B.double().sum())
        self._num_clips += len(scores_B)
        return scores_B

    def compute(self) -> float:
        """Mean score over the clips since the last reset, always finite.

        Raises:
            ValueError: there were none.
        """
        if self._num_clips == 0:
            raise ValueError(f"{self.name} of no clips")
        return self._total / self._num_clips

    @abstractmethod
    def score_clips(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """The score of each clip, (B,), finite; called on checked fp32 frames in [0, 1] without gradient."""

    def _check(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> None:
        if real_BTCHW.shape != fake_BTCHW.shape or real_BTCHW.ndim != 5 or real_BTCHW.numel() == 0:
            raise ValueError(f"{self.name} of {tuple(real_BTCHW.shape)} and {tuple(fake_BTCHW.shape)}: expected BTCHW")
        height, width = real_BTCHW.shape[-2:]
        if min(height, width) < self.min_size:
            raise ConfigError(
                f"{self.name} needs frames of at least {self.min_size} x {self.min_size} pixels (got {height} x "
                f"{width}): leave it out of eval.metrics"
            )
        for side, frames in (("input", real_BTCHW), ("reconstruction", fake_BTCHW)):
            low, high = torch.aminmax(frames)
            # Comparisons with NaN are false, so this one look finds NaN and infinity too.
            if not (low >= 0 and high <= 1):
                self._explain_pixels(side, frames)

    def _explain_pixels(self, side: str, frames_BTCHW: Tensor) -> None:
        finite_B = frames_BTCHW.isfinite().flatten(1).all(dim=1)
        if not finite_B.all():
            clip = int((~finite_B).nonzero()[0])
            raise VqtoolError(
                f"{self.name}: the {side} of clip {clip} of the batch has pixels that are NaN or infinite: "
                "the model diverged, or its checkpoint or the data are damaged"
            )
        low, high = (float(value) for value in torch.aminmax(frames_BTCHW))
        raise ValueError(f"{self.name}: the {side} has pixels in [{low:g}, {high:g}], expected [0, 1]")


class FrameMetric(Metric):
    """A metric of single frames: a clip's score is the mean over its frames."""

    chunk_pixels: ClassVar[int]
    """Pixels scored at once: bounds memory whatever the batch, and keeps intermediate maps in the cache."""

    @abstractmethod
    def score_frames(self, real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
        """The score of each frame, (N,), finite; frames are fp32 in [0, 1]."""

    def score_clips(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """The mean score of each clip's frames, (B,)."""
        num_clips, num_frames, _, height, width = real_BTCHW.shape
        chunk = max(1, self.chunk_pixels // (height * width))
        pairs = zip(
            torch.split(real_BTCHW.flatten(0, 1), chunk), torch.split(fake_BTCHW.flatten(0, 1), chunk), strict=True
        )
        scores_N = torch.cat([self.score_frames(real, fake) for real, fake in pairs])
        return scores_N.view(num_clips, num_frames).mean(dim=1)
