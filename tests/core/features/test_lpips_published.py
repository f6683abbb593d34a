"""LPIPS with the published weights gives the published distances."""

from pathlib import Path

import imageio.v3 as iio
import pytest
import torch
from torch import Tensor

from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses.perceptual import PerceptualLoss
from vqtool.core.metrics import build_metrics

pytestmark = pytest.mark.network

PUBLISHED = {"ex_p0.png": 0.5686, "ex_p1.png": 0.4217}


@pytest.fixture(scope="module")
def images(real_data: Path) -> dict[str, Tensor]:
    """The three example images of the LPIPS authors, (1, 1, 3, 64, 64) in [0, 1]."""
    names = ("ex_ref.png", *PUBLISHED)
    pixels = {name: iio.imread(real_data / "lpips" / name)[..., :3] for name in names}
    return {name: torch.from_numpy(image.copy()).permute(2, 0, 1)[None, None] / 255 for name, image in pixels.items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_network_loss_and_metric_give_the_published_distance(
    published_lpips: LPIPS, images: dict[str, Tensor], name: str
) -> None:
    real, fake = images["ex_ref.png"], images[name]
    (metric,) = build_metrics(["lpips"], {"lpips": published_lpips})
    found = [
        float(published_lpips(real[0] * 2 - 1, fake[0] * 2 - 1)),
        float(PerceptualLoss(published_lpips)(real * 2 - 1, fake * 2 - 1)["perceptual"]),
        float(metric.update(real, fake)),
        metric.compute(),
    ]
    assert [round(value, 4) for value in found] == [PUBLISHED[name]] * 4
