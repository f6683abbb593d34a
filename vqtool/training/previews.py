"""Clips to look at, with their reconstructions and tokens: the same few at every preview, the worst of evaluations."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vqtool.core.frames import to_model, to_uint8
from vqtool.core.metrics.base import Metric
from vqtool.core.tokenizers import Tokenizer
from vqtool.data import Frames
from vqtool.data.windows import Windows
from vqtool.evaluation.evaluate import model_reconstructor, window_name
from vqtool.evaluation.reconstruct import psnr_by_frame
from vqtool.runs.previews import PreviewClip


@torch.inference_mode()
def make_previews(
    model: Tokenizer, windows: Windows, chosen: NDArray[np.int64], precision: torch.dtype
) -> list[PreviewClip]:
    """Reconstruct the chosen windows, given by their numbers."""
    device = next(model.parameters()).device
    real = windows.gather(chosen)
    result = model_reconstructor(model, precision)(to_model(real, device))
    fake = to_uint8(result.frames_BTCHW)
    assert result.tokens is not None
    dtype = np.uint16 if model.codebook_size <= 1 << 16 else np.uint32
    tokens = {name: grid.cpu().numpy().astype(dtype) for name, grid in result.tokens.parts().items()}
    context = tokens.get("context", [None] * len(chosen))
    return [
        PreviewClip(
            name=window_name(windows, int(index)),
            real=real[i],
            reconstruction=fake[i],
            tokens=tokens["frames"][i],
            psnr_db=_psnr_db(real[i], fake[i]),
            context_tokens=context[i],
        )
        for i, index in enumerate(chosen)
    ]


def spread_windows(windows: Windows, num_clips: int) -> NDArray[np.int64]:
    """The numbers of `num_clips` windows, or of all, spread evenly."""
    return np.unique(np.linspace(0, len(windows) - 1, min(num_clips, len(windows))).round().astype(np.int64))


def worst_windows(
    scores: Mapping[str, Sequence[float]], metrics: Sequence[Metric], num_clips: int
) -> NDArray[np.int64]:
    """The numbers of the `num_clips` windows that the first metric with a score a clip liked least, the worst first."""
    metric = next((metric for metric in metrics if scores.get(metric.name)), None)
    if metric is None:
        return np.empty(0, np.int64)
    values = np.asarray(scores[metric.name])
    return np.argsort(values if metric.higher_is_better else -values, kind="stable")[:num_clips]


def _psnr_db(real: Frames, fake: Frames) -> tuple[float | None, ...]:
    return tuple(value if value < float("inf") else None for value in psnr_by_frame(real, fake).tolist())
