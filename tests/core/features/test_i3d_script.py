"""I3D as TorchScript: the call, the probe and the refusals, on small stand-ins for the published file."""

import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.features.i3d_script import ScriptI3D
from vqtool.errors import ConfigError, WeightsError


class StandIn(nn.Module):
    """Called like the published file; a black and a white clip are `distance` apart."""

    def __init__(self, distance: float) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        if rescale or resize or not return_features or x.shape[1] != 3 or x.shape[3] != 224:
            raise ValueError("another call")
        # Each feature is a mean over one channel's pixels; 400 of them share the distance.
        means = x.mean(dim=[2, 3, 4])[:, :1]
        return means.expand(x.shape[0], 400) * (self.distance / 400) ** 0.5 / 2


class OtherCall(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def saved(module: nn.Module, folder: Path) -> Path:
    path = folder / "i3d_torchscript.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))
    return path


def test_it_runs_quietly_on_frames_of_any_size_as_the_plain_network_does(tmp_path: Path) -> None:
    path = saved(StandIn(570.0), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        i3d = ScriptI3D.from_file(path)
    clips = torch.rand(2, 9, 3, 20, 28) * 2 - 1
    resized = F.interpolate(clips.flatten(0, 1), (224, 224), mode="bilinear").view(2, 9, 3, 224, 224)
    expected = resized[:, :, 0].mean(dim=(1, 2, 3)) * (570 / 400) ** 0.5 / 2
    torch.testing.assert_close(i3d(clips), expected[:, None].expand(2, 400))
    nn.ModuleList([i3d]).train()
    assert not any(module.training for module in i3d.modules())
    with pytest.raises(ConfigError, match="at least 9 frames"):
        i3d(clips[:, :8])


@pytest.mark.parametrize("distance", [560.0, 580.0, float("nan")])
def test_another_network_is_refused_by_the_probe(tmp_path: Path, distance: float) -> None:
    with pytest.raises(WeightsError, match=r"not the published I3D.*expected 570\.07"):
        ScriptI3D.from_file(saved(StandIn(distance), tmp_path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    other = saved(OtherCall(), tmp_path)
    with pytest.raises(WeightsError, match="cannot be run"):
        ScriptI3D.from_file(other)
    other.write_bytes(b"no archive")
    for path in (other, tmp_path / "absent.pt"):
        with pytest.raises(WeightsError, match=str(path)):
            ScriptI3D.from_file(path)
