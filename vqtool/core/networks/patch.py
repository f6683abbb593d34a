"""The efficient family: patches become channels first, so that nearly all work is done at 16x16 and below.

Space-to-depth and its inverse are those of Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an
Efficient Sub-Pixel Convolutional Neural Network", section 3; blocks have one normalisation where VQGAN's have two.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.networks.cpu_training import Conv3x3

FIRST_CONTRAST = 0.3
"""Standard deviation of an untrained decoder's pixels."""


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of each position over its channels (Ba et al. 2016).

    As in the convolutional networks of Liu et al. 2022; a fifth of the time of group normalisation on a CPU.
    """

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return super().forward(x_NCHW.movedim(1, -1)).movedim(-1, 1)


class PatchBlock(nn.Module):
    """Residual block: normalisation, two 3x3 convolutions with swish; it starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.conv1 = Conv3x3(channels, channels)
        self.conv2 = Conv3x3(channels, channels)
        silence(self.conv2)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        added: Tensor = x_NCHW + self.conv2(F.silu(self.conv1(F.silu(self.norm(x_NCHW)))))
        return added


def silence(conv: nn.Conv2d) -> nn.Conv2d:
    """The same convolution with an output of 0 to start from."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # Conv2d types its bias as optional
    return conv


@torch.no_grad()
def init_lecun(network: nn.Module) -> None:
    """Weights of variance 1 / fan-in and no biases (LeCun et al. 1998, "Efficient BackProp", section 4.6).

    torch's own start shrinks a signal by the root of 3 in every convolution, so that tokens are hardly heard at the far
    end of a decoder. Convolutions that start at zero stay as they are.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.any():
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            assert module.bias is not None
            nn.init.zeros_(module.bias)


class PatchEncoder(nn.Module):
    """Images (N, in_channels, R, R) -> latents (N, out_channels, R / f, R / f), f = patch_size * 2 ** (levels - 1).

    Every level but the first halves the resolution. Each latent is `normalised` over its channels, so that the
    distances between latents and codes keep their scale all through training.
    """

    def __init__(
        self,
        in_channels: int,
        patch_size: int,
        widths: Sequence[int],
        num_blocks: int,
        out_channels: int,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        self.is_normalised = normalised
        self.fold = nn.PixelUnshuffle(patch_size)
        self.conv_in = Conv3x3(in_channels * patch_size**2, widths[0])
        self.levels = nn.ModuleList(nn.Sequential(*(PatchBlock(w) for _ in range(num_blocks))) for w in widths)
        self.down = nn.ModuleList(
            nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * a, b, 1)) for a, b in itertools.pairwise(widths)
        )
        self.norm_out = ChannelNorm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 1)
        init_lecun(self)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Images to latents."""
        h_NCHW = self.levels[0](self.conv_in(self.fold(images_NCHW)))
        for down, level in zip(self.down, itertools.islice(self.levels, 1, None), strict=True):
            h_NCHW = level(down(h_NCHW))
        latents_NCHW: Tensor = self.conv_out(F.silu(self.norm_out(h_NCHW)))
        if not self.is_normalised:
            return latents_NCHW
        return F.layer_norm(latents_NCHW.movedim(1, -1), latents_NCHW.shape[1:2]).movedim(-1, 1)


class PatchDecoder(nn.Module):
    """Latents (N, in_channels, h, w) -> images (N, out_channels, h f, w f), the mirror image of `PatchEncoder`."""

    def __init__(
        self, in_channels: int, patch_size: int, widths: Sequence[int], num_blocks: int, out_channels: int
    ) -> None:
        super().__init__()
        wide_first = list(reversed(widths))
        self.conv_in = Conv3x3(in_channels, wide_first[0])
        self.levels = nn.ModuleList(nn.Sequential(*(PatchBlock(w) for _ in range(num_blocks))) for w in wide_first)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, 4 * b, 1), nn.PixelShuffle(2)) for a, b in itertools.pairwise(wide_first)
        )
        self.norm_out = ChannelNorm(wide_first[-1])
        self.conv_out = Conv3x3(wide_first[-1], out_channels * patch_size**2)
        self.unfold = nn.PixelShuffle(patch_size)
        init_lecun(self)
        # A start near grey is nearer to any picture than full contrast.
        self.conv_out.weight.data.mul_(FIRST_CONTRAST)
        _start_without_checkerboard(self.conv_out, patch_size)

    def forward(self, latents_NCHW: Tensor, hints: Sequence[Tensor] = (), num_frames: int = 1) -> Tensor:
        """Latents to images; `hints`, a tensor a level from the lowest resolution up, are added before its blocks.

        `num_frames` of them, one after the other, are a clip, which matters to a clip decoder only.
        """
        h_NCHW = self.conv_in(latents_NCHW)
        for number, level in enumerate(self.levels):
            if number:
                h_NCHW = self.up[number - 1](h_NCHW)
            h_NCHW = self.after_level(number, level(h_NCHW + hints[number] if hints else h_NCHW), num_frames)
        images_NCHW: Tensor = self.unfold(self.conv_out(F.silu(self.norm_out(h_NCHW))))
        return images_NCHW

    def after_level(self, number: int, h_NCHW: Tensor, num_frames: int) -> Tensor:
        """Where a clip decoder mixes the frames of a clip, level 0 being the lowest resolution; here nothing."""
        return h_NCHW


@torch.no_grad()
def _start_without_checkerboard(conv: nn.Conv2d, patch_size: int) -> None:
    """Give all pixels of a patch the same filter to start from (Aitken et al. 2017, section 2.2)."""
    same_for_patch = conv.weight[:: patch_size**2].repeat_interleave(patch_size**2, dim=0)
    conv.weight.copy_(same_for_patch)
    assert conv.bias is not None
    conv.bias.copy_(conv.bias[:: patch_size**2].repeat_interleave(patch_size**2))
