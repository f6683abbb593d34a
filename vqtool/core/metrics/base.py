"""What every metric has in common: its name, unit and direction, and clips that stream in over any batches."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from vqtool.core.config import MetricName
from vqtool.errors import ConfigError, VqtoolError

Networks = Mapping[str, nn.Module]
"""Pretrained networks by the name that `vqtool.weights` knows their weights by."""
State = dict[str, Tensor]
"""What a metric knows of its clips, in CPU tensors: a row a clip."""


def to_8bit_grid(frames: Tensor) -> Tensor:
    """Frames in [-1, 1] (any shape) as the 8-bit pixels that a user would save, in [0, 1] fp32: clamped and rounded.

    NaN stays NaN.
    """
    return ((frames.float() + 1) * 127.5).round().clamp(0, 255) / 255


class Metric(ABC):
    """A score of all clips since the last reset, which come in any batches and order, on one process or several."""

    name: ClassVar[MetricName]
    unit: ClassVar[str]
    """`dB`, `levels`, or empty."""
    higher_is_better: ClassVar[bool]
    weights: ClassVar[str | None] = None
    """The name under which `vqtool.weights` knows the network that the metric needs."""
    min_size: ClassVar[int] = 1
    """Smallest height and width of a frame, pixels."""
    min_frames: ClassVar[int] = 1
    """Shortest clip, frames."""
    min_clips: ClassVar[int] = 1
    """Fewest clips that have a score."""

    def __init__(self) -> None:
        self.reset()

    @classmethod
    def build(cls, networks: Networks) -> Self:
        """The metric, with the one of `networks` that it needs.

        Raises:
            ValueError: that network is not there.
        """
        return cls()

    def twin(self) -> Self:
        """The same metric of no clips yet, for other reconstructions of the same real clips.

        What the two know of real clips (their features, where a network makes them) is computed once. Its scores are
        those of a metric that is built anew, up to the last bits of a network's sums.
        """
        other = copy.copy(self)
        other.reset()
        return other

    def update(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor | None:
        """Count these clips; gives the score of each, (B,) fp32, or None where only a set of clips has one.

        Pixels are in [0, 1] and on the 8-bit grid (`to_8bit_grid`). Batches may differ in size and clips in length;
        every clip counts the same.

        Raises:
            ValueError: the two differ in shape, or pixels outside [0, 1].
            VqtoolError: a clip has pixels that are NaN or infinite; names its place in the batch.
            ConfigError: frames smaller than `min_size`, or clips shorter than `min_frames`.
        """
        self._check(real_BTCHW, fake_BTCHW)
        with torch.no_grad(), torch.autocast(real_BTCHW.device.type, enabled=False):
            return self.count(real_BTCHW.float(), fake_BTCHW.float())

    @abstractmethod
    def count(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor | None:
        """`update` of checked fp32 frames in [0, 1], without gradient."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all clips."""

    @abstractmethod
    def compute(self) -> float:
        """The score of the clips since the last reset, always finite.

        Raises:
            ValueError: there were none.
        """

    def details(self) -> dict[str, float]:
        """Numbers beside the score, by name: how sure it is, for one."""
        return {}

    @abstractmethod
    def state(self) -> State:
        """All that is known of the clips since the last reset; tensors of no rows where there were none."""

    @abstractmethod
    def merge(self, states: Sequence[State]) -> None:
        """Forget all clips and hold those of `states`, of several processes or parts, in any order.

        Give the metric's own state too if it is to stay. The score is then exactly that of one process which had seen
        all clips.
        """

    def _check(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> None:
        if real_BTCHW.shape != fake_BTCHW.shape or real_BTCHW.ndim != 5 or real_BTCHW.numel() == 0:
            raise ValueError(f"{self.name} of {tuple(real_BTCHW.shape)} and {tuple(fake_BTCHW.shape)}: expected BTCHW")
        height, width = real_BTCHW.shape[-2:]
        if min(height, width) < self.min_size:
            raise ConfigError(
                f"{self.name} needs frames of at least {self.min_size} x {self.min_size} pixels (got {height} x "
                f"{width}): leave it out of eval.metrics"
            )
        if real_BTCHW.shape[1] < self.min_frames:
            raise ConfigError(
                f"{self.name} needs clips of at least {self.min_frames} frames (got {real_BTCHW.shape[1]}): set "
                f"eval.clip_frames={self.min_frames} or more, or leave it out of eval.metrics"
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


class ClipMetric(Metric):
    """A metric of single clips: its score is the mean over them."""

    def reset(self) -> None:
        """Forget all clips."""
        self._scores: list[Tensor] = []

    def count(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """The score of each clip, (B,)."""
        scores_B = self.score_clips(real_BTCHW, fake_BTCHW).float()
        self._scores.append(scores_B.cpu())
        return scores_B

    def compute(self) -> float:
        """Mean score over the clips since the last reset, the same to the last bit in whatever order they came.

        Raises:
            ValueError: there were none.
        """
        scores = self.state()["scores"].tolist()
        if not scores:
            raise ValueError(f"{self.name} of no clips")
        return math.fsum(scores) / len(scores)

    def state(self) -> State:
        """`scores`, (N,) fp32."""
        return {"scores": torch.cat([torch.zeros(0), *self._scores])}

    def merge(self, states: Sequence[State]) -> None:
        """Hold the scores in `states` instead."""
        self._scores = [state["scores"] for state in states]

    @abstractmethod
    def score_clips(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> Tensor:
        """The score of each clip, (B,), finite; called on checked fp32 frames in [0, 1] without gradient."""


class FrameMetric(ClipMetric):
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
