"""Small tokenizers and videos, and a range decoder in whole numbers that shares no code with vqtool or its packages."""

import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import torch

from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import Tokenizer, build_tokenizer

SIZE = 32
SMALL = ["model.resolution=32", "model.channels=8", "train.precision=fp32"]
CODES = ["codebook_size=16", "code_dim=4"]
SETTINGS = {
    "image": ("tiny", [*SMALL, "model.channel_multipliers=[1,2]", *(f"model.quantizer.{code}" for code in CODES)]),
    "residual": (
        None,
        ["model.kind=patch", "model.patch_size=4", *SMALL, "model.channel_multipliers=[1,2]",
         "model.quantizer.kind=residual", "model.quantizer.num_levels=2",
         "model.quantizer.of.kind=ema", *(f"model.quantizer.of.{code}" for code in CODES)],
    ),
    "clip": (
        "clip",
        [*SMALL, "model.segment_frames=4", "data.clip_frames=4", "model.context_channels=8",
         "model.channel_multipliers=[1,2,2]", "model.quantizer={kind='ema', codebook_size=16, code_dim=4}",
         *(f"model.context_quantizer.of.{code}" for code in CODES)],
    ),
}  # fmt: skip
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@cache
def tokenizer(kind: str, seed: int = 0) -> LoadedTokenizer:
    """`image`, `residual` (two codebooks a position) or `clip` (a context for every 4 frames), untrained."""
    name, settings = SETTINGS[kind]
    config = load_config(name, settings)
    torch.manual_seed(seed)
    model = build_tokenizer(config.model)
    _place_codes(model)
    _FOLDERS.append(tempfile.TemporaryDirectory())
    folder = Path(_FOLDERS[-1].name) / kind
    save_checkpoint(folder, model.state_dict(), config)
    return load_folder(folder, torch.device("cpu"))


def _place_codes(model: Tokenizer) -> None:
    """Put the codes of every stage among latents of noise."""
    frames = torch.rand(8, 4, 3, SIZE, SIZE) * 2 - 1
    for number in range(len(model.stages)):
        model.enter_stage(number)
        latents_NCHW = model.encode_latents(frames).detach()
        model.quantizer.initialise(latents_NCHW.movedim(1, -1).flatten(0, -2))


def moving_square(num_frames: int, height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """A bright square over a slope, uint8 (T, H, W, 3)."""
    slope = np.linspace(0, 120, height * width * 3).reshape(height, width, 3).astype(np.uint8)
    frames = np.repeat(slope[None], num_frames, axis=0)
    for number, frame in enumerate(frames):
        left = number * 3 % (width - 8)
        frame[4:12, left : left + 8] = 250
    return frames


def write_mp4(path: Path, frames: np.ndarray, fps: Fraction | int = 10, audio: bool = False) -> Path:
    """Frames as a video file, with a silent sound track where asked for."""
    with av.open(str(path), "w") as file:
        track = file.add_stream("libx264", rate=fps, options={"crf": "1"})
        track.height, track.width = frames.shape[1:3]
        track.pix_fmt = "yuv444p"
        sound = file.add_stream("aac", rate=8000) if audio else None
        for frame in frames:
            file.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(track.encode(None))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            silence.sample_rate = 8000
            file.mux(sound.encode(silence))
            file.mux(sound.encode(None))
    return path


class WholeNumberDecoder:
    """Range decoding (Martin 1979) with 64-bit states, 32-bit words and frequencies that sum to 2^24."""

    def __init__(self, payload: bytes) -> None:
        self.words = [int.from_bytes(payload[i : i + 4], "little") for i in range(0, len(payload), 4)]
        self.low, self.range = 0, 2**64 - 1
        self.point = self._next() << 32 | self._next()

    def _next(self) -> int:
        return self.words.pop(0) if self.words else 0

    def symbol(self, frequencies: list[int]) -> int:
        assert sum(frequencies) == 2**24
        scale = self.range >> 24
        quantile = (self.point - self.low) // scale
        first, symbol = 0, 0
        while first + frequencies[symbol] <= quantile:
            first += frequencies[symbol]
            symbol += 1
        self.low += scale * first
        self.range = scale * frequencies[symbol]
        if self.range < 2**32:
            self.low, self.range = self.low << 32, self.range << 32
            self.point = self.point << 32 | self._next()
        return symbol
