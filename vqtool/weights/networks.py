"""The networks behind metrics, from the fetched weights."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from vqtool.core.config import MetricName
from vqtool.core.features.i3d import I3D
from vqtool.core.features.i3d_script import ScriptI3D
from vqtool.core.features.lpips import LPIPS
from vqtool.core.metrics import METRIC_WEIGHTS
from vqtool.errors import WeightsError
from vqtool.weights import weights_folder, weights_path, weights_state
from vqtool.weights.i3d import TORCHSCRIPT, torchscript_file
from vqtool.weights.registry import find_entry


def load_networks(metrics: Iterable[MetricName], device: torch.device) -> dict[str, nn.Module]:
    """The networks that `metrics` need, with their published weights, on `device`, by the names of their weights.

    Raises:
        WeightsError: not fetched yet; names the command that does.
    """
    names = dict.fromkeys(METRIC_WEIGHTS[metric] for metric in metrics if metric in METRIC_WEIGHTS)
    return {name: NETWORKS[name]().to(device) for name in names}


def load_lpips() -> LPIPS:
    """LPIPS with its published weights.

    Raises:
        WeightsError: not fetched yet; names the command that does.
    """
    return LPIPS.from_file(weights_path("lpips"))


def load_i3d() -> nn.Module:
    """I3D with its published weights, or the original TorchScript file where only that lies beside them.

    Raises:
        WeightsError: neither; names the command that fetches the weights.
    """
    try:
        return I3D.from_file(weights_path("i3d"))
    except WeightsError:
        script = torchscript_file(weights_folder())
        if script is None:
            raise
        return ScriptI3D.from_file(script)


NETWORKS: dict[str, Callable[[], nn.Module]] = {"lpips": load_lpips, "i3d": load_i3d}
"""How each network is loaded, by the name of its weights."""


def has_weights(name: str) -> bool:
    """Whether the network of the weights `name` could be loaded."""
    if weights_state(find_entry(name), weights_folder()) == "verified":
        return True
    return name == "i3d" and (weights_folder() / TORCHSCRIPT.name).is_file()
