"""The convolutional part of VGG16 (Simonyan and Zisserman 2015, configuration D)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

BLOCK_CONVS = (2, 2, 3, 3, 3)
BLOCK_CHANNELS = (64, 128, 256, 512, 512)
MIN_SIZE = 16
"""Smallest height and width, pixels: one position is left after the four poolings."""


class VGG16(nn.Module):
    """The 13 convolutions `conv1_1` to `conv5_3`; gives the features that LPIPS compares.

    `block_channels` other than the published ones make a narrow network without published weights, for quick tests.
    """

    def __init__(self, block_channels: Sequence[int] = BLOCK_CHANNELS) -> None:
        super().__init__()
        in_channels = 3
        for block, (num_convs, channels) in enumerate(zip(BLOCK_CONVS, block_channels, strict=True), start=1):
            for number in range(1, num_convs + 1):
                self.add_module(f"conv{block}_{number}", nn.Conv2d(in_channels, channels, kernel_size=3, padding=1))
                in_channels = channels

    def forward(self, frames_NCHW: Tensor) -> list[Tensor]:
        """The last ReLU output of each block: relu1_2 (N, 64, H, W), relu2_2, relu3_3, relu4_3, relu5_3.

        Every block after the first halves H and W. Frames are normalised as the network was trained.
        """
        features = []
        x = frames_NCHW
        for block, num_convs in enumerate(BLOCK_CONVS, start=1):
            if block > 1:
                x = F.max_pool2d(x, kernel_size=2)
            for number in range(1, num_convs + 1):
                x = F.relu(self.get_submodule(f"conv{block}_{number}")(x), inplace=True)
            features.append(x)
        return features
