"""The efficient tokenizer: networks that work on patches of pixels."""

from collections.abc import Iterator
from typing import assert_never

from torch import Tensor

from vqtool.core.config import Decoder2dConfig, Decoder3dConfig, PatchConfig
from vqtool.core.networks.linear_path import LinearPath
from vqtool.core.networks.patch import PatchDecoder, PatchEncoder, silence
from vqtool.core.networks.patch3d import PatchDecoder3d
from vqtool.core.quantizers import build_quantizer
from vqtool.core.tokenizers.frame import FrameTokenizer, as_images


class PatchTokenizer(FrameTokenizer):
    """`PatchEncoder`, every frame by itself, quantizer, and `PatchDecoder`, of frames or of clips."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.resolution, self.grid_size = config.resolution, config.resolution // config.downsampling
        self.frames_stand_alone = isinstance(config.decoder, Decoder2dConfig)
        self.quantize = build_quantizer(config.quantizer)
        dim = self.quantize.code_dim
        self.encoder = PatchEncoder(
            3, config.patch_size, config.widths, config.num_res_blocks, dim, normalised=not config.linear_path
        )
        self.decoder = _build_decoder(dim, config)
        self.linear: LinearPath | None = None
        if config.linear_path:
            self.linear = LinearPath(3, config.downsampling, dim)
            silence(self.encoder.conv_out)
            silence(self.decoder.conv_out)

    @property
    def last_layer(self) -> Tensor:
        """The convolution to patches of RGB."""
        return self.decoder.conv_out.weight

    def encode_images(self, images_NCHW: Tensor) -> Tensor:
        """Images to latents."""
        latents_NCHW: Tensor = self.encoder(images_NCHW)
        return latents_NCHW if self.linear is None else latents_NCHW + self.linear.encode(images_NCHW)

    def decode_images(self, codes_NCHW: Tensor, num_frames: int) -> Tensor:
        """Codes to images."""
        images_NCHW: Tensor = self.decoder(codes_NCHW, num_frames=num_frames)
        return images_NCHW if self.linear is None else images_NCHW + self.linear.decode(codes_NCHW)

    @property
    def is_fitted(self) -> bool:
        """Whether the linear path has seen real frames."""
        return self.linear is None or bool(self.linear.fitted)

    def fit(self, batches: Iterator[Tensor]) -> None:
        """Start the linear path at the principal components of real frames."""
        if self.linear is not None:
            self.linear.fit(map(as_images, batches))


def _build_decoder(code_dim: int, config: PatchConfig) -> PatchDecoder:
    match config.decoder:
        case Decoder2dConfig():
            return PatchDecoder(code_dim, config.patch_size, config.widths, config.num_res_blocks, 3)
        case Decoder3dConfig():
            return PatchDecoder3d(code_dim, config, config.decoder)
        case _:
            assert_never(config.decoder)
