"""PSNR and SSIM against scikit-image, on noise and on real frames; the 8-bit grid; what identical frames score."""

import math
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from vqtool.core.metrics import build_metrics, psnr, ssim, to_8bit_grid
from vqtool.core.metrics.psnr import MAX_DB


def to_image(frame_CHW: Tensor) -> np.ndarray:
    return frame_CHW.permute(1, 2, 0).double().numpy()


def skimage_ssim(real: Tensor, fake: Tensor) -> float:
    from skimage.metrics import structural_similarity

    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(to_image(real), to_image(fake), data_range=1.0, channel_axis=-1, **settings)


@pytest.fixture(params=["noise", "flat", "bikes.mp4", "carphone_pristine.mp4"])
def frames(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """Pairs of frames (N, 3, H, W): random, nearly flat and bright, and real ones a few frames apart."""
    generator = torch.Generator().manual_seed(5)
    if request.param in ("noise", "flat"):
        spread = 2.0 if request.param == "noise" else 0.02
        real = 0.95 - spread * torch.rand(4, 3, 23, 31, generator=generator)
        return to_8bit_grid(real), to_8bit_grid(real + spread / 5 * torch.randn(real.shape, generator=generator))
    path: Path = request.getfixturevalue("real_data") / "videos" / request.param
    with av.open(str(path)) as container:
        decoded = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        video = torch.from_numpy(np.stack([next(decoded) for _ in range(8)])).permute(0, 3, 1, 2) / 255
    return video[:2].contiguous(), video[6:].contiguous()


def test_psnr_equals_scikit_image(frames: tuple[Tensor, Tensor]) -> None:
    from skimage.metrics import peak_signal_noise_ratio

    pairs = zip(*frames, strict=True)
    expected = [peak_signal_noise_ratio(to_image(real), to_image(fake), data_range=1.0) for real, fake in pairs]
    np.testing.assert_allclose(psnr(*frames), expected, rtol=0, atol=1e-5)


def test_ssim_equals_scikit_image(frames: tuple[Tensor, Tensor]) -> None:
    expected = [skimage_ssim(real, fake) for real, fake in zip(*frames, strict=True)]
    np.testing.assert_allclose(ssim(*frames), expected, rtol=0, atol=1e-5)


def test_metrics_of_clips_are_means_of_those(frames: tuple[Tensor, Tensor]) -> None:
    clips = [side[None] for side in frames]
    means = {metric.name: float(metric.update(*clips)) for metric in build_metrics(["psnr", "ssim"])}
    assert means == pytest.approx({"psnr": float(psnr(*frames).mean()), "ssim": float(ssim(*frames).mean())}, rel=1e-6)


def test_identical_frames_are_infinite_alone_and_capped_in_the_mean() -> None:
    real = torch.full((1, 3, 16, 16), 0.5)
    assert psnr(real, real).item() == math.inf
    (metric,) = build_metrics(["psnr"])
    assert metric.update(real[None], real[None].clone()).item() == pytest.approx(58.9226, abs=1e-3)
    # One pixel off by one grey level is 72 dB in so small a frame: closer than rounding, so it scores no more.
    near = real.clone()
    near[0, 0, 0, 0] += 1 / 255
    assert psnr(real, near).item() == pytest.approx(10 * math.log10(768 * 255**2), abs=0.01)
    assert metric.update(real[None], near[None]).item() == pytest.approx(MAX_DB)


def test_the_cap_is_the_psnr_of_rounding() -> None:
    exact = torch.rand(1, 3, 500, 500, generator=torch.Generator().manual_seed(6), dtype=torch.float64) * 2 - 1
    rounded = to_8bit_grid(exact).double()
    mse = (rounded - (exact + 1) / 2).square().mean()
    assert -10 * math.log10(float(mse)) == pytest.approx(MAX_DB, abs=0.02)


def test_the_grid_is_that_of_saved_pixels() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal((to_8bit_grid(levels.float().div(127.5).sub(1)) * 255).round().to(torch.uint8), levels)
    found = to_8bit_grid(torch.tensor([-1.7, -1.0, -0.999, 0.0, 0.5, 1.0, 3.0, math.inf]))
    expected = torch.tensor([0, 0, 0, 128, 191, 255, 255, 255]) / 255
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)
    assert to_8bit_grid(torch.tensor([math.nan])).isnan().all()
    assert to_8bit_grid(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32


def test_ssim_of_a_batch_needs_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from vqtool.core.metrics.ssim import Ssim

    sizes: list[int] = []
    score = Ssim.score_frames

    def recorded(self: Ssim, real: Tensor, fake: Tensor) -> Tensor:
        sizes.append(real.shape[0] * real.shape[-1] * real.shape[-2])
        return score(self, real, fake)

    monkeypatch.setattr(Ssim, "score_frames", recorded)
    batch: Callable[[], Tensor] = lambda: torch.zeros(4, 12, 3, 64, 64)  # noqa: E731
    build_metrics(["ssim"])[0].update(batch(), batch())
    assert sum(sizes) == 48 * 64 * 64
    assert max(sizes) <= 2**15
