"""Features of a picture at every level of a patch decoder: what a decoder of changes knows of what stays."""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from vqtool.core.networks.cpu_training import Conv3x3
from vqtool.core.networks.patch import PatchBlock, silence


class Pyramid(nn.Module):
    """Pictures (N, 3, R, R) -> features at R / patch_size and each half of it, one width a level."""

    def __init__(self, patch_size: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.fold = nn.PixelUnshuffle(patch_size)
        self.conv_in = Conv3x3(3 * patch_size**2, widths[0])
        self.levels = nn.ModuleList(PatchBlock(width) for width in widths)
        self.down = nn.ModuleList(
            nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * a, b, 1)) for a, b in itertools.pairwise(widths)
        )
        # Hints start as nothing, so that a decoder hears its tokens first.
        self.out = nn.ModuleList(silence(nn.Conv2d(width, width, 1)) for width in widths)

    def forward(self, pictures_NCHW: Tensor) -> list[Tensor]:
        """The features, from the lowest resolution up: the hints of a `PatchDecoder`."""
        h_NCHW = self.levels[0](self.conv_in(self.fold(pictures_NCHW)))
        features = [self.out[0](h_NCHW)]
        for number, down in enumerate(self.down, start=1):
            h_NCHW = self.levels[number](down(h_NCHW))
            features.append(self.out[number](h_NCHW))
        return features[::-1]
