"""LPIPS as a metric."""

import hashlib
from collections import OrderedDict
from typing import Self

from torch import Tensor

from vqtool.core.features.lpips import LPIPS
from vqtool.core.features.precision import full_fp32
from vqtool.core.features.vgg16 import MIN_SIZE
from vqtool.core.metrics.base import FrameMetric, Networks

KNOWN_CHUNKS = 4
"""Chunks of real frames whose features metrics with twins keep, 64 MB each."""


class LpipsMetric(FrameMetric):
    """LPIPS v0.1 with VGG16 (Zhang et al. 2018), in fp32 whatever precision the model runs in.

    Twins keep the features of the last few chunks of real frames, by their content, so that clips which several
    reconstructions are compared with, one after the other, pass the network once.
    """

    name = "lpips"
    unit = ""
    higher_is_better = False
    weights = "lpips"
    min_size = MIN_SIZE
    chunk_pixels = 2**17

    def __init__(self, lpips: LPIPS) -> None:
        super().__init__()
        self._lpips = lpips
        self._known: OrderedDict[bytes, list[Tensor]] | None = None

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

    def twin(self) -> Self:
        """See `Metric.twin`; from now on the two keep features of real frames, at most `KNOWN_CHUNKS` chunks."""
        if self._known is None:
            self._known = OrderedDict()
        return super().twin()

    def score_frames(self, real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
        """LPIPS of each frame, (N,)."""
        real, fake = real_NCHW * 2 - 1, fake_NCHW * 2 - 1
        with full_fp32():
            if self._known is None:
                distances_N: Tensor = self._lpips(real, fake)
                return distances_N
            return self._lpips.distances(self._real_features(real, self._known), self._lpips.features(fake))

    def _real_features(self, real_NCHW: Tensor, known: OrderedDict[bytes, list[Tensor]]) -> list[Tensor]:
        pixels = real_NCHW.cpu().numpy()
        key = hashlib.sha256(f"{real_NCHW.device} {pixels.shape}".encode() + pixels.tobytes()).digest()
        if key not in known:
            known[key] = self._lpips.features(real_NCHW)
            if len(known) > KNOWN_CHUNKS:
                known.popitem(last=False)
        return known[key]
