"""LPIPS with the published weights equals the package of its authors, which brings its own linear heads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lpips_package import distances, load_oracle

from vqtool.core.features.lpips import LPIPS
from vqtool.core.metrics import build_metrics
from vqtool.data.video import read_video

pytestmark = pytest.mark.network


def test_it_equals_the_package_on_noise_and_on_real_frames(published_lpips: LPIPS, real_data: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (2, 3, 40, 56), generator=generator) / 255
    near = (noise + 0.1 * torch.randn(noise.shape, generator=generator)).clamp(0, 1)
    frames, _ = read_video(real_data / "videos" / "bikes.mp4", 64, 40)
    video = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1) / 255
    oracle = load_oracle(published_lpips.vgg)
    (metric,) = build_metrics(["lpips"], {"lpips": published_lpips})
    for real, fake in ((noise, near), (video[[0, 0, 20]], video[[1, 30, 0]]), (noise, noise)):
        expected = distances(oracle, real * 2 - 1, fake * 2 - 1)
        torch.testing.assert_close(published_lpips(real * 2 - 1, fake * 2 - 1), expected, rtol=0, atol=1e-5)
        scores = metric.update(real[:, None], fake[:, None])
        torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5)
    assert expected.abs().max() == 0
