"""Which file each network of a metric is loaded from."""

import dataclasses
import hashlib
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vqtool.core.features.i3d_script import ScriptI3D
from vqtool.core.metrics import METRIC_WEIGHTS
from vqtool.errors import WeightsError
from vqtool.weights import i3d
from vqtool.weights.networks import NETWORKS, has_weights, load_networks

CPU = torch.device("cpu")


class Published(nn.Module):
    """Answers the probe as the published TorchScript file does."""

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        return x.mean(dim=[2, 3, 4])[:, :1].expand(x.shape[0], 400) * (570.07 / 1600) ** 0.5


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights."""
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_every_metric_with_a_network_can_load_it(folder: Path) -> None:
    assert set(NETWORKS) == set(METRIC_WEIGHTS.values())
    assert load_networks(["psnr", "ssim"], CPU) == {}
    for metric, name in METRIC_WEIGHTS.items():
        assert not has_weights(name)
        with pytest.raises(WeightsError, match=f"vqtool fetch-weights {name}"):
            load_networks([metric], CPU)


def test_the_original_torchscript_is_taken_where_only_that_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "i3d_torchscript.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Published()).save(str(path))
    assert has_weights("i3d")
    # A TorchScript file can do anything, so none but the published one is opened.
    with pytest.raises(WeightsError, match=rf"{path} is not the published file: sha256 .* expected bec6519f"):
        load_networks(["fvd"], CPU)
    published = dataclasses.replace(i3d.TORCHSCRIPT, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(i3d, "TORCHSCRIPT", published)
    assert isinstance(load_networks(["fvd"], CPU)["i3d"], ScriptI3D)
