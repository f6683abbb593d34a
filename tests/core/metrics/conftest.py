"""A metric of every kind, and clips to score."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vqtool.core.features.i3d import I3D
from vqtool.core.features.lpips import LPIPS
from vqtool.core.metrics import METRICS, Metric, Networks, build_metrics, to_8bit_grid
from vqtool.core.metrics.base import ClipMetric, FrameMetric


@pytest.fixture(scope="session")
def random_network() -> LPIPS:
    torch.manual_seed(0)
    return LPIPS(block_channels=(4, 6, 8, 8, 8))


@pytest.fixture(scope="session")
def random_i3d() -> I3D:
    torch.manual_seed(0)
    i3d = I3D(divisor=16, size=32)
    for name, parameter in i3d.named_parameters():
        if name.endswith("weight"):
            torch.nn.init.kaiming_normal_(parameter)
    return i3d


@pytest.fixture(scope="session")
def networks(random_network: LPIPS, random_i3d: I3D) -> Networks:
    """Every pretrained network, small and with random weights."""
    return {"lpips": random_network, "i3d": random_i3d}


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest, networks: Networks) -> Metric:
    """Each registered metric in turn."""
    return build_metrics([request.param], networks)[0]


@pytest.fixture(params=[name for name, kind in METRICS.items() if issubclass(kind, ClipMetric)])
def clip_metric(request: pytest.FixtureRequest, networks: Networks) -> ClipMetric:
    """Each metric of single clips."""
    (metric,) = build_metrics([request.param], networks)
    assert isinstance(metric, ClipMetric)
    return metric


@pytest.fixture(params=[name for name, kind in METRICS.items() if issubclass(kind, FrameMetric)])
def frame_metric(request: pytest.FixtureRequest, networks: Networks) -> FrameMetric:
    """Each metric of single frames."""
    (metric,) = build_metrics([request.param], networks)
    assert isinstance(metric, FrameMetric)
    return metric


@pytest.fixture
def clips() -> Callable[..., tuple[Tensor, Tensor]]:
    """Real and noisy clips (B, T, 3, 20, 18) on the 8-bit grid, half of each still, each with its own noise."""

    def make(num_clips: int = 5, num_frames: int = 3, height: int = 20, width: int = 18) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(4)
        shape = (num_clips, num_frames, 3, height, width)
        real = torch.rand(shape, generator=generator) * 2 - 1
        real[..., : width // 2] = real[:, :1, ..., : width // 2]
        amount = torch.linspace(0.05, 0.8, num_clips).view(-1, 1, 1, 1, 1)
        fake = real + amount * torch.randn(shape, generator=generator)
        return to_8bit_grid(real), to_8bit_grid(fake)

    return make
