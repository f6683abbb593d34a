"""The efficient tokenizer: networks that work on patches of pixels."""

from torch import Tensor

from vqtool.core.config import PatchConfig
from vqtool.core.networks.patch import PatchDecoder, PatchEncoder
from vqtool.core.quantizers import build_quantizer
from vqtool.core.tokenizers.frame import FrameTokenizer


class PatchTokenizer(FrameTokenizer):
    """`PatchEncoder`, quantizer, `PatchDecoder`: every frame by itself."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.resolution, self.grid_size = config.resolution, config.resolution // config.downsampling
        self.quantize = build_quantizer(config.quantizer)
        dim = self.quantize.code_dim
        self.encoder = PatchEncoder(3, config.patch_size, config.widths, config.num_res_blocks, dim)
        self.decoder = PatchDecoder(dim, config.patch_size, config.widths, config.num_res_blocks, 3)

    @property
    def last_layer(self) -> Tensor:
        """The convolution to patches of RGB."""
        return self.decoder.conv_out.weight

    def encode_images(self, images_NCHW: Tensor) -> Tensor:
        """Images to latents."""
        latents_NCHW: Tensor = self.encoder(images_NCHW)
        return latents_NCHW

    def decode_images(self, codes_NCHW: Tensor, num_frames: int) -> Tensor:
        """Codes to images."""
        images_NCHW: Tensor = self.decoder(codes_NCHW)
        return images_NCHW
