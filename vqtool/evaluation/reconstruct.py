"""Clips and videos through the tokenizer and back, for looking at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from vqtool.core.frames import to_model, to_uint8
from vqtool.core.metrics import psnr
from vqtool.core.tokenizers import Tokenizer
from vqtool.data import Frames
from vqtool.data.inputs import VideoInput, read_input
from vqtool.data.windows import Windows
from vqtool.evaluation.evaluate import Reconstruct, window_name

FRAMES_AT_ONCE = 64
STORE_FPS = 6.0
"""Frames a second at which clips of a store are shown; RoboNet's robots act at about this rate, stores do not say."""


@dataclass(frozen=True)
class Pair:
    """A clip and its reconstruction, uint8 RGB (T, H, W, 3); bits are those of its tokens at a fixed length each."""

    name: str
    real: Frames
    fake: Frames
    fps: float
    bits_per_frame: float

    @property
    def psnr_db(self) -> float:
        """Mean PSNR of the frames in dB, infinite where a frame is identical."""
        return float(psnr_by_frame(self.real, self.fake).mean())


def psnr_by_frame(real: Frames, fake: Frames) -> Tensor:
    """PSNR in dB (T,) of each frame of uint8 clips (T, H, W, 3); infinite where identical."""
    real_NCHW, fake_NCHW = (torch.from_numpy(frames).movedim(-1, 1) / 255 for frames in (real, fake))
    return psnr(real_NCHW, fake_NCHW)


def reconstruct_windows(
    model: Tokenizer, windows: Windows, reconstruct: Reconstruct, chosen: Sequence[int] | None = None
) -> Iterator[Pair]:
    """Each window of a store with its reconstruction, or those numbered `chosen`."""
    for index in range(len(windows)) if chosen is None else chosen:
        yield _pair(model, window_name(windows, index), windows.gather(np.array([index]))[0], STORE_FPS, reconstruct)


def reconstruct_input(
    model: Tokenizer,
    source: VideoInput,
    reconstruct: Reconstruct,
    max_frames: int | None,
    stdin: BinaryIO | None = None,
) -> Pair:
    """A video or picture, resized to the model's frames, with its reconstruction.

    Raises:
        DataError: as `read_input`.
    """
    real, fps = read_input(source, model.resolution, max_frames, stdin)
    return _pair(model, source.name, real, fps, reconstruct)


def _pair(model: Tokenizer, name: str, real: Frames, fps: float, reconstruct: Reconstruct) -> Pair:
    fake = reconstruct_frames(model, real, reconstruct)
    return Pair(name, real, fake, fps, model.bits(len(real)) / len(real))


@torch.inference_mode()
def reconstruct_frames(model: Tokenizer, frames: Frames, reconstruct: Reconstruct) -> Frames:
    """uint8 RGB (T, H, W, 3) -> its reconstruction; whole segments at a time, so that any length fits in memory."""
    device = next(model.parameters()).device
    segment = model.segment_frames or 1
    step = max(FRAMES_AT_ONCE // segment, 1) * segment
    parts = [
        to_uint8(reconstruct(to_model(frames[None, start : start + step], device)).frames_BTCHW)[0]
        for start in range(0, len(frames), step)
    ]
    return np.concatenate(parts)
