"""The classic tokenizer: networks of the VQGAN family, by their parameter names."""

from typing import assert_never

from torch import Tensor, nn

from vqtool.core.config import ClassicConfig, Decoder2dConfig, Decoder3dConfig
from vqtool.core.networks.decoder import Decoder
from vqtool.core.networks.decoder3d import Decoder3d
from vqtool.core.networks.encoder import Encoder
from vqtool.core.quantizers import build_quantizer
from vqtool.core.tokenizers.frame import FrameTokenizer


class VQVAE(FrameTokenizer):
    """The networks of Esser et al. 2021; parameters have the names of published VQGAN checkpoints."""

    def __init__(self, config: ClassicConfig) -> None:
        super().__init__()
        self.resolution, self.grid_size = config.resolution, config.resolution // config.downsampling
        self.encoder = Encoder(config)
        self.quantize = build_quantizer(config.quantizer)
        self.quant_conv = nn.Conv2d(config.latent_channels, self.quantize.code_dim, 1)
        self.post_quant_conv = nn.Conv2d(self.quantize.code_dim, config.latent_channels, 1)
        self.decoder = _build_decoder(config)

    @property
    def last_layer(self) -> Tensor:
        """The convolution to RGB."""
        return self.decoder.conv_out.weight

    def encode_images(self, images_NCHW: Tensor) -> Tensor:
        """Images to latents."""
        latents_NCHW: Tensor = self.quant_conv(self.encoder(images_NCHW))
        return latents_NCHW

    def decode_images(self, codes_NCHW: Tensor, num_frames: int) -> Tensor:
        """Codes to images."""
        images_NCHW: Tensor = self.decoder(self.post_quant_conv(codes_NCHW), num_frames)
        return images_NCHW


def _build_decoder(config: ClassicConfig) -> Decoder:
    match config.decoder:
        case Decoder2dConfig():
            return Decoder(config)
        case Decoder3dConfig():
            return Decoder3d(config, config.decoder)
        case _:
            assert_never(config.decoder)
