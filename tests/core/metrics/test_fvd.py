"""FVD: its interval and floor against sampling experiments, what it keeps, and what it refuses."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vqtool.core.config import FVD_MIN_FRAMES
from vqtool.core.features.i3d import I3D
from vqtool.core.metrics import METRICS, Networks, build_metrics
from vqtool.core.metrics.fvd import CLIPS_AT_ONCE, bootstrap_interval, fvd, real_floor
from vqtool.errors import VqtoolError

Clips = Callable[..., tuple[Tensor, Tensor]]


class Counted(nn.Module):
    """A network that notes the clips it was given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.batches: list[int] = []

    def forward(self, clips_BTCHW: Tensor) -> Tensor:
        self.batches.append(len(clips_BTCHW))
        return self.network(clips_BTCHW)


def features(num_clips: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features of 20 dimensions and those of their imperfect reconstructions."""
    generator = torch.Generator().manual_seed(seed)
    real = torch.randn(num_clips, 20, generator=generator) * torch.logspace(0.5, -0.5, 20)
    return real, 0.9 * real + 0.3 * torch.randn(num_clips, 20, generator=generator) + 0.2


def test_config_and_network_agree_on_the_shortest_clip() -> None:
    assert METRICS["fvd"].min_frames == FVD_MIN_FRAMES


def test_it_is_the_frechet_distance_of_the_features(random_i3d: I3D, networks: Networks, clips: Clips) -> None:
    real, fake = clips(num_frames=9)
    (metric,) = build_metrics(["fvd"], networks)
    assert metric.update(real, fake) is None
    a, b = (random_i3d(side * 2 - 1).double().numpy() for side in (real, fake))
    mean = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # Eigenvalues of a product of covariances are real and not negative, but for rounding.
    root = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real.clip(0)).sum()
    assert metric.compute() == pytest.approx(mean + np.trace(cov_a + cov_b) - 2 * root, rel=1e-4)


def test_the_interval_holds_what_other_clips_score() -> None:
    """Score and interval of many samples of clips: the interval is to cover the mean score, and not by being huge."""
    scores = np.array([fvd(*features(50, seed)) for seed in range(200)])
    intervals = np.array([bootstrap_interval(*features(50, seed)) for seed in range(20)])
    covered = (intervals[:, 0] <= scores.mean()) & (scores.mean() <= intervals[:, 1])
    assert covered.mean() >= 0.9
    assert np.ptp(intervals, axis=1).mean() < 2 * np.ptp(np.quantile(scores, [0.025, 0.975]))
    for (low, high), score in zip(intervals, scores[:20], strict=True):
        assert 0 <= low < score < high


def test_a_perfect_reconstruction_has_no_spread() -> None:
    real, _ = features(30, 1)
    assert fvd(real, real) == pytest.approx(0, abs=1e-9)
    assert bootstrap_interval(real, real) == pytest.approx((0, 0), abs=1e-9)


def test_the_floor_is_the_score_of_other_real_clips_of_half_the_number() -> None:
    others = [fvd(features(25, seed)[0], features(25, seed + 1000)[0]) for seed in range(50)]
    floors = [real_floor(features(50, seed)[0]) for seed in range(20)]
    assert np.mean(floors) == pytest.approx(np.mean(others), rel=0.05)
    assert np.mean([real_floor(features(200, seed)[0]) for seed in range(5)]) < 0.5 * np.mean(floors)


@pytest.mark.parametrize(("num_clips", "has_floor"), [(2, False), (3, False), (4, True), (5, True)])
def test_details_say_how_many_clips_and_have_a_floor_where_halves_allow(
    networks: Networks, clips: Clips, num_clips: int, has_floor: bool
) -> None:
    (metric,) = build_metrics(["fvd"], networks)
    metric.update(*clips(num_clips, 9))
    details = metric.details()
    assert details["num_clips"] == num_clips
    assert details["num_resamples"] == 200
    assert details["low"] <= metric.compute() <= details["high"]
    assert ("floor" in details) == has_floor
    assert details.get("num_floor_clips", 2) == 2


def test_real_clips_pass_the_network_once_and_in_small_batches(random_i3d: I3D, clips: Clips) -> None:
    counted = Counted(random_i3d)
    (metric,) = build_metrics(["fvd"], {"i3d": counted})
    real, fake = clips(num_clips=6, num_frames=9)
    metric.update(real, fake)
    assert sum(counted.batches) == 12
    assert max(counted.batches) <= CLIPS_AT_ONCE
    first = metric.compute()
    metric.reset()
    metric.update(real, fake)
    assert sum(counted.batches) == 18
    assert metric.compute() == first
    # The same pixels as other frames, or as a clip of another length, are another clip.
    metric.update(real.flip(1), fake)
    assert sum(counted.batches) == 30


@pytest.mark.parametrize("side", ["input", "reconstruction"])
def test_features_that_are_not_numbers_name_the_clip(clips: Clips, side: str) -> None:
    real, fake = clips(num_frames=9)

    class Broken(nn.Module):
        bad = (real if side == "input" else fake)[3] * 2 - 1

        def forward(self, clips_BTCHW: Tensor) -> Tensor:
            bad_B = (clips_BTCHW == self.bad).flatten(1).all(dim=1)
            return torch.where(bad_B[:, None], torch.nan, torch.ones(len(clips_BTCHW), 5))

    (metric,) = build_metrics(["fvd"], {"i3d": Broken()})
    metric.update(real[:2], fake[:2])
    with pytest.raises(VqtoolError, match=f"the {side} of clip 3 of the batch are NaN"):
        metric.update(real, fake)
    assert len(metric.state()["real"]) == len(metric.state()["fake"]) == 2


def test_tf32_is_off_for_the_network(random_i3d: I3D, clips: Clips) -> None:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    seen: list[tuple[bool, bool, torch.dtype]] = []
    handle = random_i3d.register_forward_hook(
        lambda module, inputs, output: seen.append((cudnn.allow_tf32, matmul.allow_tf32, output.dtype))
    )
    before = cudnn.allow_tf32
    matmul.allow_tf32 = True
    with torch.autocast("cpu", torch.bfloat16):
        build_metrics(["fvd"], {"i3d": random_i3d})[0].update(*clips(2, 9))
    handle.remove()
    assert set(seen) == {(False, False, torch.float32)}
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (before, True)
    matmul.allow_tf32 = False
