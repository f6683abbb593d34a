"""LPIPS as a metric."""

from typing import Self

from torch import Tensor

from vqtool.core.features.lpips import LPIPS
from vqtool.core.features.precision import full_fp32
from vqtool.core.features.vgg16 import MIN_SIZE
from vqtool.core.metrics.base import FrameMetric, Networks


class LpipsMetric(FrameMetric):
    """LPIPS v0.1 with VGG16 (Zhang et al. 2018), in fp32 whatever precision the model runs in."""

    name = "lpips"
    unit = ""
    higher_is_better = False
    weights = "lpips"
    min_size = MIN_SIZE
    chunk_pixels = 2**17

    def __init__(self, lpips: LPIPS) -> None:
        super().__init__()
        self._lpips = lpips

    @classmethod
    def build(cls, networks: Networks) -> Self:
        """The metric over the network `lpips`.

        Raises:
            ValueError: it is not there.
        """
        lpips = networks.get("lpips")
        if not isinstance(lpips, LPIPS):
            raise ValueError("the metric lpips needs its network")
        return cls(lpips)

    def score_frames(self, real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
        """LPIPS of each frame, (N,)."""
        with full_fp32():
            distances_N: Tensor = self._lpips(real_NCHW * 2 - 1, fake_NCHW * 2 - 1)
        return distances_N
