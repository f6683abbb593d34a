"""The LPIPS metric runs its network in true fp32, whatever the precision around."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vqtool.core.features.lpips import LPIPS
from vqtool.core.metrics import build_metrics
from vqtool.core.metrics.lpips import LpipsMetric


def test_tf32_is_off_inside_and_as_before_outside(random_network: LPIPS) -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    seen: list[tuple[bool, torch.dtype]] = []

    def record(module: torch.nn.Module, inputs: tuple[Tensor], outputs: list[Tensor]) -> None:
        seen.extend((cudnn.allow_tf32, features.dtype) for features in outputs)

    handle = random_network.vgg.register_forward_hook(record)
    clips = torch.zeros(1, 1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        build_metrics(["lpips"], {"lpips": random_network})[0].update(clips, clips)
    handle.remove()
    assert set(seen) == {(False, torch.float32)}
    assert cudnn.allow_tf32 == before


def test_twins_pass_real_frames_through_the_network_once(
    random_network: LPIPS, clips: Callable[..., tuple[Tensor, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three reconstructions of the same clips: the scores of metrics built anew, with 4 passes instead of 6."""
    monkeypatch.setattr(LpipsMetric, "chunk_pixels", 4 * 20 * 18)
    real, fake = clips(num_clips=3)
    fakes = [fake, real, (fake + real) / 2]
    alone = [build_metrics(["lpips"], {"lpips": random_network})[0] for _ in fakes]
    expected = [metric.update(real, other) for metric, other in zip(alone, fakes, strict=True)]

    sizes: list[int] = []
    handle = random_network.vgg.register_forward_hook(lambda module, inputs, outputs: sizes.append(len(inputs[0])))
    (first,) = build_metrics(["lpips"], {"lpips": random_network})
    twins = [first, first.twin(), first.twin()]
    scores = [metric.update(real, other) for metric, other in zip(twins, fakes, strict=True)]
    handle.remove()
    assert sum(sizes) == (1 + 3) * 9
    for metric, score, other, right in zip(twins, scores, alone, expected, strict=True):
        torch.testing.assert_close(score, right, rtol=1e-6, atol=1e-7)
        assert metric.compute() == pytest.approx(other.compute(), rel=1e-6)
    assert scores[1] is not None and scores[1].count_nonzero() == 0


def test_twins_keep_a_few_chunks_only(
    random_network: LPIPS, clips: Callable[..., tuple[Tensor, Tensor]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LpipsMetric, "chunk_pixels", 20 * 18)
    (first,) = build_metrics(["lpips"], {"lpips": random_network})
    second = first.twin()
    real, fake = clips()
    first.update(real, fake)
    sizes: list[int] = []
    handle = random_network.vgg.register_forward_hook(lambda module, inputs, outputs: sizes.append(len(inputs[0])))
    second.update(real[3:, 2:], fake[3:, 2:])  # the last frames of the last two clips; four frames are kept
    assert sum(sizes) == 2
    second.update(real[:1, :1], fake[:1, :1])  # long forgotten
    handle.remove()
    assert sum(sizes) == 4
