"""The clip decoder: the frame decoder with temporal blocks between its stages."""

from torch import Tensor, nn

from vqtool.core.config import ClassicConfig, Decoder3dConfig
from vqtool.core.networks.decoder import Decoder
from vqtool.core.networks.temporal import TemporalBlock


class Decoder3d(Decoder):
    """Latents of a clip -> its frames, seen together: temporal convolutions after every stage, and windowed
    spatio-temporal attention in the middle and at the resolutions of `attention_resolutions`.

    Frames stay images throughout (N = B x T), so that a single frame is a clip with T = 1, and the weights of a
    `Decoder` fit: the temporal blocks start as the identity.
    """

    def __init__(self, config: ClassicConfig, decoder: Decoder3dConfig) -> None:
        super().__init__(config)
        self.temporal_mid = TemporalBlock(config.widths[-1], decoder, attention=True, shifted=False)
        self.temporal_up = nn.ModuleList(
            TemporalBlock(width, decoder, config.has_attention(level), shifted=True)
            for level, width in enumerate(config.widths)
        )

    def after_middle(self, h_NCHW: Tensor, num_frames: int) -> Tensor:
        """Mix the frames of a clip at the lowest resolution."""
        mixed: Tensor = self.temporal_mid(h_NCHW, num_frames)
        return mixed

    def after_level(self, number: int, h_NCHW: Tensor, num_frames: int) -> Tensor:
        """Mix the frames of a clip at level `number`."""
        mixed: Tensor = self.temporal_up[number](h_NCHW, num_frames)
        return mixed
