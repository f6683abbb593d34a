"""Previews: the same few clips at every preview, with their reconstructions and tokens."""

import numpy as np
import torch

from vqtool.core.frames import to_model, to_uint8
from vqtool.core.tokenizers import Tokenizer
from vqtool.data import Frames
from vqtool.data.windows import Windows
from vqtool.evaluation.evaluate import model_reconstructor, window_name
from vqtool.evaluation.reconstruct import psnr_by_frame
from vqtool.runs.previews import PreviewClip


@torch.inference_mode()
def make_previews(model: Tokenizer, windows: Windows, num_clips: int, precision: torch.dtype) -> list[PreviewClip]:
    """Reconstruct `num_clips` clips spread evenly over the windows."""
    device = next(model.parameters()).device
    chosen = np.unique(np.linspace(0, len(windows) - 1, min(num_clips, len(windows))).round().astype(np.int64))
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


def _psnr_db(real: Frames, fake: Frames) -> tuple[float | None, ...]:
    return tuple(value if value < float("inf") else None for value in psnr_by_frame(real, fake).tolist())
