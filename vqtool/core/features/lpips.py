"""LPIPS v0.1 with VGG16: a distance between images that agrees with people (Zhang et al. 2018)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vqtool.core.features.vgg16 import BLOCK_CHANNELS, MIN_SIZE, VGG16
from vqtool.errors import ConfigError, WeightsError

EPSILON = 1e-10
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""From [-1, 1] to the channel mean and deviation that VGG16 was trained with."""


class LPIPS(nn.Module):
    """LPIPS of Zhang et al. 2018, eq. 1: 0 for the same image, about 0.1 for a close one, 0.7 for an unrelated one.

    Always frozen and always in evaluation mode. Under an outer bf16 autocast the convolutions run in bf16, which a loss
    may want; unit length and distance are fp32 in any case.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, block_channels: Sequence[int] = BLOCK_CHANNELS) -> None:
        super().__init__()
        self.vgg = VGG16(block_channels)
        self.heads = nn.ParameterList(torch.rand(channels) for channels in block_channels)
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)
        # Channels last: on a CPU with AMX the loss is 1.2 (fp32) and 1.5 (bf16) times as fast, and a GPU likes it too.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The network with the published weights in the safetensors file `path`, on the CPU.

        Raises:
            WeightsError: missing, damaged, or not the tensors of this network.
        """
        # A frozen network must not draw from the generator that seeds the trained one.
        with torch.random.fork_rng(devices=[]):
            lpips = cls()
        try:
            lpips.load_state_dict(safetensors.torch.load_file(path), strict=True)
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            raise WeightsError(
                f"{path} does not hold the LPIPS weights ({str(error).splitlines()[0]}): run vqtool fetch-weights lpips"
            ) from error
        return lpips

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the model around does."""
        return super().train(False)

    def forward(self, real_NCHW: Tensor, fake_NCHW: Tensor) -> Tensor:
        """The distance of each pair of images, (N,) fp32, lower is closer; see `pair_features`."""
        return self.distances(*self.pair_features(real_NCHW, fake_NCHW))

    def pair_features(self, real_NCHW: Tensor, fake_NCHW: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The `features` of both; pixels are in [-1, 1].

        The gradient goes to `fake_NCHW` where it asks for one; `real_NCHW` is a constant.

        Raises:
            ValueError: the two differ in shape.
            ConfigError: images under 16 x 16 pixels, where the deepest features have no position left.
        """
        if real_NCHW.shape != fake_NCHW.shape:
            raise ValueError(f"LPIPS of {tuple(real_NCHW.shape)} and {tuple(fake_NCHW.shape)}")
        height, width = real_NCHW.shape[-2:]
        if min(height, width) < MIN_SIZE:
            raise ConfigError(f"LPIPS needs frames of at least {MIN_SIZE} x {MIN_SIZE} pixels (got {height} x {width})")
        real_NCHW = real_NCHW.detach()
        if torch.is_grad_enabled() and fake_NCHW.requires_grad:
            with torch.no_grad():
                real_features = self.features(real_NCHW)
            return real_features, self.features(fake_NCHW)
        both = [features.chunk(2) for features in self.features(torch.cat([real_NCHW, fake_NCHW]))]
        return [real for real, _ in both], [fake for _, fake in both]

    def features(self, frames_NCHW: Tensor) -> list[Tensor]:
        """What `distances` compares, of images in [-1, 1] of at least 16 x 16 pixels: a map (N, C, h, w) a block."""
        frames = (frames_NCHW.float() - self.shift) / self.scale
        features: list[Tensor] = self.vgg(frames.contiguous(memory_format=torch.channels_last))
        return features

    def distances(self, real_features: Sequence[Tensor], fake_features: Sequence[Tensor]) -> Tensor:
        """The distance of each pair of images, (N,) fp32, from their `features`."""
        with torch.autocast(real_features[0].device.type, enabled=False):
            distances: list[Tensor] = [
                _UnitDistance.apply(real, fake, head).mean(dim=(1, 2))  # type: ignore[no-untyped-call]
                for real, fake, head in zip(real_features, fake_features, self.heads, strict=True)
            ]
        return torch.stack(distances).sum(dim=0)


class _UnitDistance(torch.autograd.Function):
    """sum_c w_c (a_c / |a| - b_c / |b|)^2 at each position, with a gradient to b only.

    By hand because these maps are large and their arithmetic bound by memory: 1.5 times the frames a second of autograd
    in bf16. Where |b| = 0 (a dead position) autograd's square root would give NaN; here the gradient is 0.
    """

    @staticmethod
    def forward(ctx: Any, a_NCHW: Tensor, b_NCHW: Tensor, weight_C: Tensor) -> Tensor:
        b = b_NCHW.float()
        norm_b = torch.linalg.vector_norm(b, dim=1, keepdim=True) + EPSILON
        unit_b = b / norm_b
        a = a_NCHW.float()
        difference = unit_b - a / (torch.linalg.vector_norm(a, dim=1, keepdim=True) + EPSILON)
        ctx.save_for_backward(unit_b, norm_b, difference, weight_C)
        ctx.dtype_b = b_NCHW.dtype
        # Not a matrix product: that may run in TF32.
        weighted: Tensor = difference.square() * weight_C.view(1, -1, 1, 1)
        return weighted.sum(dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_NHW: Tensor) -> tuple[None, Tensor, None]:
        unit_b, norm_b, difference, weight_C = ctx.saved_tensors
        along = difference * (2 * weight_C.view(1, -1, 1, 1))
        along -= unit_b * (along * unit_b).sum(dim=1, keepdim=True)
        along *= (gradient_NHW.unsqueeze(1) / norm_b).masked_fill(norm_b < 2 * EPSILON, 0)
        return None, along.to(ctx.dtype_b), None
