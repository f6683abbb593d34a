"""A reconstructor on clips, measured: the same loop for a model and for the baselines beside it."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vqtool.core.device import autocast
from vqtool.core.frames import to_model
from vqtool.core.losses.reconstruction import l1
from vqtool.core.metrics.base import Metric, to_8bit_grid
from vqtool.core.metrics.codebook import CodebookUsage
from vqtool.core.vqvae import VQVAE, Reconstruction
from vqtool.data.windows import Windows

Reconstruct = Callable[[Tensor], Reconstruction]
"""Frames (B, T, 3, H, W) in [-1, 1] -> their reconstruction in the same range."""
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """Scores of one reconstructor on one set of clips.

    scores: mean over clips by name (`psnr`, ...), in the metric's unit.
    details: numbers beside a score (`Metric.details`), of the metrics that have any.
    clip_scores: a score a clip, in the order of `clip_names`, of the metrics that score single clips.
    pixel_l1: mean absolute difference of pixels in [-1, 1]. quantizer_loss and its
    unweighted quantizer_parts: as in training.
    usage: codebook usage over all tokens; None for a baseline, which has none.
    """

    scores: dict[str, float]
    details: dict[str, dict[str, float]]
    clip_scores: dict[str, list[float]]
    clip_names: list[str]
    num_frames: int
    pixel_l1: float
    quantizer_loss: float
    quantizer_parts: dict[str, float]
    usage: CodebookUsage | None
    seconds: float


def model_reconstructor(model: VQVAE, precision: torch.dtype) -> Reconstruct:
    """The model in evaluation mode as a reconstructor, under autocast to `precision`."""
    model.eval()
    device = next(model.parameters()).device

    def reconstruct(frames_BTCHW: Tensor) -> Reconstruction:
        with autocast(device, precision):
            result: Reconstruction = model(frames_BTCHW)
        return result

    return reconstruct


@torch.inference_mode()
def evaluate(
    reconstruct: Reconstruct,
    windows: Windows,
    metrics: Sequence[Metric],
    device: torch.device,
    batch_size: int,
    codebook_size: int = 0,
    advance: Advance | None = None,
) -> Evaluation:
    """Score a reconstructor on every window; metrics see frames on the 8-bit grid that a user would save.

    Args:
        reconstruct: What is measured.
        windows: The clips.
        metrics: Reset first.
        device: Where.
        batch_size: Clips at a time.
        codebook_size: K, to count the use of codes; 0 where there are none.
        advance: Called with (clips done, clips).
    """
    started = time.monotonic()
    usage = CodebookUsage(codebook_size) if codebook_size else None
    clip_scores: defaultdict[str, list[float]] = defaultdict(list)
    losses: defaultdict[str, float] = defaultdict(float)
    for metric in metrics:
        metric.reset()
    for indices in torch.split(torch.arange(len(windows)), batch_size):
        real_BTCHW = to_model(windows.gather(indices.numpy()), device)
        result = reconstruct(real_BTCHW)
        real, fake = to_8bit_grid(real_BTCHW), to_8bit_grid(result.frames_BTCHW)
        for metric in metrics:
            scores_B = metric.update(real, fake)
            if scores_B is not None:
                clip_scores[metric.name] += scores_B.tolist()
        batch = {"pixel": l1(real_BTCHW, result.frames_BTCHW), "quantizer": result.quantizer_loss}
        for name, value in (batch | result.quantizer_parts).items():
            losses[name] += float(value) * len(indices) / len(windows)
        if usage is not None and result.tokens_BTHW is not None:
            usage.update(result.tokens_BTHW)
        if advance is not None:
            advance(int(indices[-1]) + 1, len(windows))
    return Evaluation(
        scores={metric.name: metric.compute() for metric in metrics},
        details={metric.name: details for metric in metrics if (details := metric.details())},
        clip_scores=dict(clip_scores),
        clip_names=[window_name(windows, index) for index in range(len(windows))],
        num_frames=len(windows) * windows.clip_frames,
        pixel_l1=losses.pop("pixel"),
        quantizer_loss=losses.pop("quantizer"),
        quantizer_parts=dict(losses),
        usage=usage,
        seconds=time.monotonic() - started,
    )


def window_name(windows: Windows, index: int) -> str:
    """`clip@start`: names one window in reports and previews."""
    return f"{windows.clip_of(index).clip}@{windows.start_of(index)}"
