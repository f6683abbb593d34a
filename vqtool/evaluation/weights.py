"""The networks behind metrics, from the fetched weights."""

from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import nn

from vqtool.core.config import MetricName
from vqtool.core.features.i3d import I3D
from vqtool.core.features.lpips import LPIPS
from vqtool.core.metrics import METRIC_WEIGHTS
from vqtool.weights import weights_path

NETWORKS: dict[str, Callable[[Path], nn.Module]] = {"lpips": LPIPS.from_file, "i3d": I3D.from_file}
"""How each network is made from its file, by the name of its weights."""


def load_networks(metrics: Iterable[MetricName], device: torch.device) -> dict[str, nn.Module]:
    """The networks that `metrics` need, with their published weights, on `device`, by the names of their weights.

    Raises:
        WeightsError: not fetched yet; names the command that does.
    """
    names = dict.fromkeys(METRIC_WEIGHTS[metric] for metric in metrics if metric in METRIC_WEIGHTS)
    return {name: NETWORKS[name](weights_path(name)).to(device) for name in names}


def load_lpips() -> LPIPS:
    """LPIPS with its published weights.

    Raises:
        WeightsError: not fetched yet; names the command that does.
    """
    return LPIPS.from_file(weights_path("lpips"))
