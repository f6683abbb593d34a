"""Clips and videos through the tokenizer and back, for looking at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqtool.core.frames import to_model, to_uint8
from vqtool.core.metrics import psnr
from vqtool.core.tokenizers import Tokenizer
from vqtool.data import Frames
from vqtool.data.video import read_video
from vqtool.data.windows import Windows
from vqtool.evaluation.evaluate import model_reconstructor, window_name

FRAMES_AT_ONCE = 64
STORE_FPS = 6.0
"""Frames a second at which clips of a store are shown; RoboNet's robots act at about this rate, stores do not say."""


@dataclass(frozen=True)
class Pair:
    """A clip and its reconstruction, uint8 RGB (T, H, W, 3)."""

    name: str
    real: Frames
    fake: Frames
    fps: float

    @property
    def psnr_db(self) -> float:
        """Mean PSNR of the frames in dB, infinite where a frame is identical."""
        return float(psnr_by_frame(self.real, self.fake).mean())


def psnr_by_frame(real: Frames, fake: Frames) -> Tensor:
    """PSNR in dB (T,) of each frame of uint8 clips (T, H, W, 3); infinite where identical."""
    real_NCHW, fake_NCHW = (torch.from_numpy(frames).movedim(-1, 1) / 255 for frames in (real, fake))
    return psnr(real_NCHW, fake_NCHW)


def reconstruct_windows(
    model: Tokenizer, windows: Windows, precision: torch.dtype, chosen: Sequence[int] | None = None
) -> Iterator[Pair]:
    """Each window of a store with its reconstruction, or those numbered `chosen`."""
    for index in range(len(windows)) if chosen is None else chosen:
        real = windows.gather(np.array([index]))[0]
        yield Pair(window_name(windows, index), real, reconstruct_frames(model, real, precision), STORE_FPS)


def reconstruct_video(model: Tokenizer, path: Path, precision: torch.dtype, max_frames: int | None) -> Pair:
    """A video file, resized to the model's frames, with its reconstruction.

    Raises:
        DataError: not a video, or damaged.
    """
    real, fps = read_video(path, model.resolution, max_frames)
    return Pair(path.stem, real, reconstruct_frames(model, real, precision), fps)


@torch.inference_mode()
def reconstruct_frames(
    model: Tokenizer, frames: Frames, precision: torch.dtype, clip_frames: int = FRAMES_AT_ONCE
) -> Frames:
    """uint8 RGB (T, H, W, 3) -> its reconstruction; `clip_frames` at a time, so that any length fits in memory."""
    device = next(model.parameters()).device
    reconstruct = model_reconstructor(model, precision)
    parts = [
        to_uint8(reconstruct(to_model(frames[None, start : start + clip_frames], device)).frames_BTCHW)[0]
        for start in range(0, len(frames), clip_frames)
    ]
    return np.concatenate(parts)
