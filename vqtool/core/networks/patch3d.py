"""The clip decoder of the efficient family: the patch decoder with temporal blocks between its levels."""

from torch import Tensor, nn

from vqtool.core.config import Decoder3dConfig, PatchConfig
from vqtool.core.networks.patch import PatchDecoder
from vqtool.core.networks.temporal import TemporalBlock


class PatchDecoder3d(PatchDecoder):
    """Latents of a clip -> its frames, seen together: temporal convolutions after every level, and windowed
    spatio-temporal attention at the lowest two resolutions, whose windows lie across each other.

    A single frame is a clip with T = 1, and the weights of a `PatchDecoder` fit: temporal blocks start as the identity.
    """

    def __init__(self, in_channels: int, config: PatchConfig, decoder: Decoder3dConfig) -> None:
        super().__init__(in_channels, config.patch_size, config.widths, config.num_res_blocks, 3)
        self.temporal = nn.ModuleList(
            TemporalBlock(width, decoder, attention=number < 2, shifted=number == 1)
            for number, width in enumerate(reversed(config.widths))
        )

    def after_level(self, number: int, h_NCHW: Tensor, num_frames: int) -> Tensor:
        """Mix the frames of a clip at level `number`."""
        mixed: Tensor = self.temporal[number](h_NCHW, num_frames)
        return mixed
