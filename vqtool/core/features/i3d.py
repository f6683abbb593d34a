"""I3D trained on Kinetics-400, the network whose logits FVD compares (Carreira and Zisserman 2017, figure 3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.errors import ConfigError, WeightsError

MIN_FRAMES = 9
"""Shortest clip: two positions in time are left before the last pooling."""
SIZE = 224
NUM_CLASSES = 400
BATCH_NORM_EPSILON = 1e-3
MIXED_CHANNELS = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of branch 0, of the two convolutions of branches 1 and 2, and of branch 3."""


class I3D(nn.Module):
    """Inflated Inception-v1 over RGB clips, with the layer names of the TF-Hub release; 12.7 M parameters.

    Always frozen and always in evaluation mode. Batch normalisation, which has no scale there, is folded into the
    convolutions when weights are loaded. `divisor` above 1 (narrower by that factor) and a `size` other than 224 (a
    multiple of 32) make a small network without published weights, for quick tests.
    """

    def __init__(self, divisor: int = 1, size: int = SIZE) -> None:
        super().__init__()
        self.size = size
        stem, trunk = 64 // divisor, 192 // divisor
        self.Conv3d_1a_7x7 = _Unit(3, stem, kernel=7, stride=2)
        self.Conv3d_2b_1x1 = _Unit(stem, stem, kernel=1)
        self.Conv3d_2c_3x3 = _Unit(stem, trunk, kernel=3)
        in_channels = trunk
        for name, channels in MIXED_CHANNELS.items():
            mixed = _Mixed(in_channels, *(max(1, count // divisor) for count in channels))
            self.add_module(name, mixed)
            in_channels = mixed.out_channels
        self.logits = nn.Conv3d(in_channels, NUM_CLASSES // divisor, kernel_size=1)
        # Channels last: 1.15 times as fast on a CPU in fp32.
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
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
            i3d = cls()
        try:
            i3d.load_published(safetensors.torch.load_file(path))
        except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
            raise WeightsError(
                f"{path} does not hold the I3D weights ({str(error).splitlines()[0]}): run vqtool fetch-weights i3d"
            ) from error
        return i3d

    def load_published(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the published tensors: of each convolution `weight`, `mean`, `variance` and `bias`; of the logits two.

        Raises:
            KeyError: a tensor is missing.
            RuntimeError: a tensor is of another shape, or there are more than these.
        """
        state = {"logits.weight": tensors["logits.weight"], "logits.bias": tensors["logits.bias"]}
        units = [name for name, module in self.named_modules() if isinstance(module, _Unit)]
        for name in units:
            parts = [tensors[f"{name}.{part}"].double() for part in ("weight", "mean", "variance", "bias")]
            state |= {f"{name}.conv.{part}": folded for part, folded in _folded(*parts).items()}
        if len(tensors) != 4 * len(units) + 2:
            raise RuntimeError(f"{len(tensors)} tensors, expected {4 * len(units) + 2}")
        self.load_state_dict(state, strict=True)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the model around does."""
        return super().train(False)

    def forward(self, clips_BTCHW: Tensor) -> Tensor:
        """The logits of the 400 classes, mean over time, (B, 400); pixels are in [-1, 1], frames of any size.

        Frames are resized to 224 x 224 (bilinear, corners not aligned).

        Raises:
            ConfigError: clips of fewer than 9 frames.
        """
        num_clips, num_frames = clips_BTCHW.shape[:2]
        if num_frames < MIN_FRAMES:
            raise ConfigError(f"I3D needs clips of at least {MIN_FRAMES} frames (got {num_frames})")
        frames_NCHW = F.interpolate(clips_BTCHW.flatten(0, 1), (self.size, self.size), mode="bilinear")
        x = frames_NCHW.view(num_clips, num_frames, *frames_NCHW.shape[1:]).transpose(1, 2)
        x = _max_pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = _max_pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        for name in MIXED_CHANNELS:
            if name == "Mixed_4b":
                x = _max_pool(x, (3, 3, 3), (2, 2, 2))
            if name == "Mixed_5b":
                x = _max_pool(x, (2, 2, 2), (2, 2, 2))
            x = self.get_submodule(name)(x)
        # Pooling to (time - 1, 1, 1) with windows of 2 x 7 x 7; the last layer is linear, so it takes the mean.
        over_space_BCT = x.mean(dim=(3, 4))
        pooled_BC = (over_space_BCT[:, :, 1:] + over_space_BCT[:, :, :-1]).mean(dim=2) / 2
        return F.linear(pooled_BC, self.logits.weight.flatten(1), self.logits.bias)


class _Unit(nn.Module):
    """Convolution with "SAME" padding, the folded batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        # With stride 1 and an odd kernel "SAME" is symmetric.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv3d(in_channels, out_channels, kernel, stride, padding)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        kernel, stride = self.conv.kernel_size, self.conv.stride
        if stride[0] > 1:
            pads = [_same(*axis) for axis in zip(x_BCTHW.shape[2:], kernel, stride, strict=True)]
            x_BCTHW = F.pad(x_BCTHW, [side for pad in reversed(pads) for side in pad])
        return F.relu(self.conv(x_BCTHW), inplace=True)


class _Mixed(nn.Module):
    """The Inception block: four branches side by side."""

    def __init__(self, in_channels: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3: int) -> None:
        super().__init__()
        self.out_channels = b0 + b1b + b2b + b3
        self.Branch_0 = _Unit(in_channels, b0, kernel=1)
        self.Branch_1 = nn.Sequential(_Unit(in_channels, b1a, kernel=1), _Unit(b1a, b1b, kernel=3))
        self.Branch_2 = nn.Sequential(_Unit(in_channels, b2a, kernel=1), _Unit(b2a, b2b, kernel=3))
        self.Branch_3 = _Unit(in_channels, b3, kernel=1)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        pooled = F.max_pool3d(x_BCTHW, kernel_size=3, stride=1, padding=1)
        return torch.cat(
            [self.Branch_0(x_BCTHW), self.Branch_1(x_BCTHW), self.Branch_2(x_BCTHW), self.Branch_3(pooled)], dim=1
        )


def _same(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding before and after: ceil(length / stride) positions, the odd one after."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def _max_pool(x_BCTHW: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Max pooling with "SAME" padding by minus infinity.

    Only the padding before is given: `ceil_mode` lets the last window reach over the end by the odd one after.
    """
    before = [_same(n, k, s)[0] for n, k, s in zip(x_BCTHW.shape[2:], kernel, stride, strict=True)]
    return F.max_pool3d(x_BCTHW, kernel, stride, before, ceil_mode=True)


def _folded(weight: Tensor, mean: Tensor, variance: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """(conv(x) - mean) / sqrt(variance + epsilon) + bias as one convolution."""
    scale = (variance + BATCH_NORM_EPSILON).rsqrt()
    return {"weight": (weight * scale.view(-1, 1, 1, 1, 1)).float(), "bias": (bias - mean * scale).float()}
