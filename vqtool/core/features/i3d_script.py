"""I3D as the TorchScript file that FVD code of others runs, for where that file is what one has."""

import warnings
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.features.i3d import MIN_FRAMES, SIZE
from vqtool.core.features.precision import full_fp32
from vqtool.errors import ConfigError, WeightsError

PROBE_FRAMES = 10
PROBE_DISTANCE = 570.07
"""Squared distance between the features of a black and a white clip, as published; the plain I3D is within 0.1 %."""
TOLERANCE = 0.005


class ScriptI3D(nn.Module):
    """The TorchScript network behind the call of `core.features.i3d.I3D`: frozen, always in evaluation mode."""

    def __init__(self, script: nn.Module) -> None:
        super().__init__()
        self.script = script
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The network in `path`, on the CPU. Only for a file whose sha256 has been verified: TorchScript is a program.

        Raises:
            WeightsError: not TorchScript, another call, or other features than I3D's on a black and a white clip.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # loading TorchScript is deprecated
                i3d = cls(torch.jit.load(path, map_location="cpu"))  # type: ignore[no-untyped-call]
            distance = i3d._probe()
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{path} cannot be run as the I3D network: run vqtool fetch-weights i3d") from error
        if not abs(distance / PROBE_DISTANCE - 1) <= TOLERANCE:
            raise WeightsError(
                f"{path} is not the published I3D: a black and a white clip are {distance:.2f} apart, expected "
                f"{PROBE_DISTANCE}: run vqtool fetch-weights i3d"
            )
        return i3d

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the model around does."""
        return super().train(False)

    def forward(self, clips_BTCHW: Tensor) -> Tensor:
        """The logits of the 400 classes, mean over time, (B, 400); pixels are in [-1, 1], frames of any size.

        Raises:
            ConfigError: clips of fewer than 9 frames.
        """
        num_clips, num_frames = clips_BTCHW.shape[:2]
        if num_frames < MIN_FRAMES:
            raise ConfigError(f"I3D needs clips of at least {MIN_FRAMES} frames (got {num_frames})")
        frames_NCHW = F.interpolate(clips_BTCHW.flatten(0, 1), (SIZE, SIZE), mode="bilinear")
        x_BCTHW = frames_NCHW.view(num_clips, num_frames, *frames_NCHW.shape[1:]).transpose(1, 2).contiguous()
        # Resized and scaled already.
        logits: Tensor = self.script(x_BCTHW, rescale=False, resize=False, return_features=True)
        return logits

    @torch.no_grad()
    def _probe(self) -> float:
        clips = torch.stack([torch.full((PROBE_FRAMES, 3, SIZE, SIZE), level) for level in (-1.0, 1.0)])
        with full_fp32():
            black, white = self(clips).double()
        return float((black - white).square().sum())
