"""What every registered metric promises: a new one is tested by being registered."""

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from vqtool.core.config import MetricName
from vqtool.core.metrics import METRIC_WEIGHTS, METRICS, Metric, Networks, build_metrics
from vqtool.errors import ConfigError, VqtoolError
from vqtool.weights.registry import REGISTRY

Clips = Callable[..., tuple[Tensor, Tensor]]


def fill(metric: Metric, real: Tensor, fake: Tensor, split: list[int]) -> tuple[float, dict[str, float]]:
    """Score and details of the clips given in batches of the sizes `split`, from nothing."""
    metric.reset()
    for r, f in zip(real.split(split), fake.split(split), strict=True):
        metric.update(r, f)
    return metric.compute(), metric.details()


def test_registry_config_and_weights_know_the_same_names() -> None:
    assert set(METRICS) == set(get_args(MetricName))
    assert all(name == metric.name for name, metric in METRICS.items())
    assert set(METRIC_WEIGHTS.values()) <= set(REGISTRY)


def test_build_keeps_the_order_and_refuses_an_absent_network() -> None:
    assert [metric.name for metric in build_metrics(["ssim", "psnr", "ssim"])] == ["ssim", "psnr"]
    for name in METRIC_WEIGHTS:
        with pytest.raises(ValueError, match=name):
            build_metrics([name])


def test_a_twin_counts_its_own_clips_as_a_metric_built_anew(metric: Metric, networks: Networks, clips: Clips) -> None:
    real, fake = clips(num_frames=metric.min_frames)
    (alone,) = build_metrics([metric.name], networks)
    alone.update(real, real.flip(0))
    metric.update(real, fake)
    before, twin = metric.compute(), metric.twin()
    with pytest.raises(ValueError, match="no clips"):
        twin.compute()
    twin.update(real, real.flip(0))
    assert twin.compute() == pytest.approx(alone.compute(), rel=1e-6)
    assert metric.compute() == before


@pytest.mark.parametrize("split", [[1, 1, 1, 1, 1], [2, 2, 1], [4, 1]])
def test_any_split_into_batches_gives_the_same_score(metric: Metric, clips: Clips, split: list[int]) -> None:
    real, fake = clips(num_frames=metric.min_frames)
    whole, details = fill(metric, real, fake, [5])
    streamed, streamed_details = fill(metric, real, fake, split)
    assert streamed == pytest.approx(whole, rel=1e-5)
    assert streamed_details == pytest.approx(details, rel=1e-3)


def test_the_order_of_clips_does_not_matter(metric: Metric, clips: Clips) -> None:
    real, fake = clips(num_frames=metric.min_frames)
    order = torch.tensor([3, 0, 4, 2, 1])
    ones = [1] * 5  # A network's last bits depend on the batch's size, so that is kept.
    assert fill(metric, real[order], fake[order], ones) == fill(metric, real, fake, ones)


@pytest.mark.parametrize("owner", [[0, 1, 0, 1, 0], [2, 0, 0, 0, 2], [0, 0, 0, 0, 0]])
def test_parts_merge_into_exactly_what_one_process_computes(metric: Metric, clips: Clips, owner: list[int]) -> None:
    """Three processes, of which some may have seen nothing."""
    real, fake = clips(num_frames=metric.min_frames)
    expected = fill(metric, real, fake, [1] * 5)
    states = []
    for process in range(3):
        metric.reset()
        for clip in (i for i in range(5) if owner[i] == process):
            metric.update(real[clip : clip + 1], fake[clip : clip + 1])
        states.append(metric.state())
    assert all(tensor.device.type == "cpu" for state in states for tensor in state.values())
    for order in (states, states[::-1]):
        metric.merge(order)
        assert (metric.compute(), metric.details()) == expected
    metric.update(real[:1], fake[:1])
    assert metric.state().keys() == states[0].keys()
    assert {len(tensor) for tensor in metric.state().values()} == {6}


def test_worse_reconstructions_score_worse(metric: Metric, clips: Clips) -> None:
    real, fake = clips(num_frames=metric.min_frames)
    half = ((real + fake) * 127.5).round() / 255
    scores = [fill(metric, real, side, [5])[0] for side in (real.clone(), half, fake)]
    assert scores == sorted(scores, reverse=metric.higher_is_better)
    assert len(set(scores)) == 3
    assert all(math.isfinite(score) for score in scores)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_pixels_that_are_not_finite_name_the_clip(metric: Metric, clips: Clips, value: float, side: int) -> None:
    pair = clips(num_frames=metric.min_frames)
    pair[side][3, 0, 2, 5, 5] = value
    with pytest.raises(VqtoolError, match=rf"{['input', 'reconstruction'][side]} of clip 3 of the batch"):
        metric.update(*pair)


def test_pixels_outside_the_unit_range_are_a_mistake_of_the_caller(metric: Metric, clips: Clips) -> None:
    real, fake = clips(num_frames=metric.min_frames)
    for wrong in (fake * 2 - 1, fake * 255):
        with pytest.raises(ValueError, match=r"expected \[0, 1\]"):
            metric.update(real, wrong)


def test_shapes_must_agree(metric: Metric, clips: Clips) -> None:
    real, fake = clips(num_frames=metric.min_frames)
    for a, b in ((real, fake[:4]), (real[0], fake[0]), (real[:0], fake[:0])):
        with pytest.raises(ValueError, match="expected BTCHW"):
            metric.update(a, b)


def test_frames_that_are_too_small_are_a_mistake_in_the_config(metric: Metric, clips: Clips) -> None:
    least = metric.min_size
    assert math.isfinite(fill(metric, *clips(2, metric.min_frames, least, least), [2])[0])
    if least > 1:
        with pytest.raises(ConfigError, match=f"at least {least} x {least} pixels"):
            metric.update(*clips(1, metric.min_frames, least, least - 1))


def test_too_few_clips_are_a_mistake_in_the_config(metric: Metric, clips: Clips) -> None:
    few = max(1, metric.min_clips - 1)
    metric.update(*clips(few, metric.min_frames))
    if few < metric.min_clips:
        with pytest.raises(ConfigError, match=f"at least {metric.min_clips} clips .got {few}."):
            metric.compute()
    metric.update(*clips(1, metric.min_frames))
    assert math.isfinite(metric.compute())


def test_clips_that_are_too_short_are_a_mistake_in_the_config(metric: Metric, clips: Clips) -> None:
    if metric.min_frames > 1:
        with pytest.raises(ConfigError, match=f"at least {metric.min_frames} frames .got {metric.min_frames - 1}."):
            metric.update(*clips(1, metric.min_frames - 1))


def test_no_clips_is_an_error_not_a_number(metric: Metric, clips: Clips) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=f"{metric.name} of no clips"):
            metric.compute()
        metric.update(*clips(num_frames=metric.min_frames))
        metric.reset()


def test_the_score_ignores_gradient_and_autocast(metric: Metric, clips: Clips) -> None:
    real, fake = clips(num_frames=metric.min_frames)
    exact = fill(metric, real, fake, [5])
    with torch.autocast("cpu", torch.bfloat16):
        assert fill(metric, real, fake.clone().requires_grad_(), [5]) == exact
    assert not any(tensor.requires_grad for tensor in metric.state().values())


def test_networks_of_others_are_no_hindrance(metric: Metric, networks: Networks) -> None:
    (built,) = build_metrics([metric.name], {**networks, "other": torch.nn.Identity()})
    assert type(built) is type(metric)
