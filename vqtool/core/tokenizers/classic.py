"""The classic tokenizer: networks of the VQGAN family, by their parameter names."""

from typing import assert_never

import torch
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
        self.frames_stand_alone = isinstance(config.decoder, Decoder2dConfig)
        self.encoder = Encoder(config)
        self.quantize = build_quantizer(config.quantizer)
        self.quant_conv = nn.Conv2d(config.latent_channels, self.quantize.code_dim, 1)
        self.post_quant_conv = nn.Conv2d(self.quantize.code_dim, config.latent_channels, 1)
        self.decoder = _build_decoder(config)
        self.pixels = PixelScale(config)

    @property
    def last_layer(self) -> Tensor:
        """The convolution to RGB."""
        return self.decoder.conv_out.weight

    def encode_images(self, images_NCHW: Tensor) -> Tensor:
        """Images to latents."""
        latents_NCHW: Tensor = self.quant_conv(self.encoder(self.pixels.normalized(images_NCHW)))
        return latents_NCHW

    def decode_images(self, codes_NCHW: Tensor, num_frames: int) -> Tensor:
        """Codes to images."""
        images_NCHW: Tensor = self.decoder(self.post_quant_conv(codes_NCHW), num_frames)
        return self.pixels.restored(images_NCHW)


class PixelScale(nn.Module):
    """Between pixels in [-1, 1] and what the networks see, (pixel in [0, 1] - `pixel_mean`) / `pixel_std`."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: ClassicConfig) -> None:
        super().__init__()
        self.is_identity = {*config.pixel_mean, *config.pixel_std} == {0.5}
        # They are in the config, so not in the state dict.
        self.register_buffer("centre", 2 * torch.tensor(config.pixel_mean).view(3, 1, 1) - 1, persistent=False)
        self.register_buffer("spread", 2 * torch.tensor(config.pixel_std).view(3, 1, 1), persistent=False)

    def normalized(self, images_NCHW: Tensor) -> Tensor:
        """Pixels in [-1, 1] as the networks see them."""
        return images_NCHW if self.is_identity else (images_NCHW - self.centre) / self.spread

    def restored(self, images_NCHW: Tensor) -> Tensor:
        """What the networks give, as pixels in about [-1, 1]."""
        return images_NCHW if self.is_identity else images_NCHW * self.spread + self.centre


def _build_decoder(config: ClassicConfig) -> Decoder:
    match config.decoder:
        case Decoder2dConfig():
            return Decoder(config)
        case Decoder3dConfig():
            return Decoder3d(config, config.decoder)
        case _:
            assert_never(config.decoder)
