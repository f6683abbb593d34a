"""Scores of reconstructions: one metric a file, one line in `METRICS`; codebook usage apart, which needs no frames."""

from collections.abc import Iterable

from vqtool.core.config import MetricName
from vqtool.core.metrics.base import Metric, Networks, to_8bit_grid
from vqtool.core.metrics.codebook import CodebookUsage
from vqtool.core.metrics.flicker import Flicker
from vqtool.core.metrics.fvd import Fvd
from vqtool.core.metrics.lpips import LpipsMetric
from vqtool.core.metrics.moving import MovingPsnr, StaticPsnr
from vqtool.core.metrics.psnr import Psnr, psnr
from vqtool.core.metrics.ssim import Ssim, ssim

__all__ = [
    "METRICS",
    "METRIC_WEIGHTS",
    "CodebookUsage",
    "Metric",
    "Networks",
    "build_metrics",
    "psnr",
    "ssim",
    "to_8bit_grid",
]

METRICS: dict[MetricName, type[Metric]] = {
    metric.name: metric for metric in (Psnr, Ssim, LpipsMetric, Fvd, Flicker, MovingPsnr, StaticPsnr)
}

METRIC_WEIGHTS: dict[MetricName, str] = {name: metric.weights for name, metric in METRICS.items() if metric.weights}
"""Metrics that need a pretrained network, and the name that `vqtool.weights` knows it by."""


def build_metrics(names: Iterable[MetricName], networks: Networks | None = None) -> list[Metric]:
    """The metrics called `names`, in that order, without repeats.

    Args:
        names: Which.
        networks: The pretrained networks that they need (`METRIC_WEIGHTS` tells which), by the names of their weights.

    Raises:
        ValueError: one of those is not there.
    """
    return [METRICS[name].build(networks or {}) for name in dict.fromkeys(names)]
