"""What the tokenizers share that encode every frame by itself."""

from abc import abstractmethod

import torch
from einops import rearrange
from torch import Tensor

from vqtool.core.quantizers import Quantizer
from vqtool.core.tokenizers.base import Reconstruction, Tokenizer, Tokens


class FrameTokenizer(Tokenizer):
    """Frame encoder, quantizer and a frame or clip decoder (van den Oord et al. 2017).

    Tokens are (B, T, h, w) in [0, K), with P codes a position (B, T, P x h, w).
    """

    quantize: Quantizer
    grid_size: int
    """Positions down and across a frame, h = w."""

    @abstractmethod
    def encode_images(self, images_NCHW: Tensor) -> Tensor:
        """Images (N, 3, R, R), channels last in memory, -> latents (N, D, h, w)."""

    @abstractmethod
    def decode_images(self, codes_NCHW: Tensor, num_frames: int) -> Tensor:
        """Codes (B x T, D, h, w) of clips of `num_frames` frames -> images (B x T, 3, R, R)."""

    @property
    def quantizer(self) -> Quantizer:
        """The only one."""
        return self.quantize

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Those of the quantizer."""
        return self.quantize.codebook_sizes

    def num_tokens(self, num_frames: int) -> int:
        """Tokens of a clip of this many frames."""
        return num_frames * self.grid_size**2 * self.quantize.codes_per_position

    def bits(self, num_frames: int) -> float:
        """Bits of these tokens at a fixed length each."""
        return num_frames * self.grid_size**2 * self.quantize.bits_per_position

    def forward(self, frames_BTCHW: Tensor, quantized: bool = True) -> Reconstruction:
        """Reconstruct clips; with `quantized` false the decoder gets the latents without a choice of codes."""
        num_frames = frames_BTCHW.shape[1]
        latents_NCHW = self.encode_latents(frames_BTCHW)
        if not quantized:
            zero = latents_NCHW.new_zeros((), dtype=torch.float32)
            seen_NCHW = self.quantize.unquantized(latents_NCHW)
            decoded_BTCHW = self._decode(seen_NCHW, num_frames)
            return Reconstruction(decoded_BTCHW, None, zero, {}, zero.long(), codes_NCHW=seen_NCHW)
        result = self.quantize(latents_NCHW)
        return Reconstruction(
            frames_BTCHW=self._decode(result.codes_NCHW, num_frames),
            tokens=Tokens(rearrange(result.tokens_NHW, "(b t) h w -> b t h w", t=num_frames)),
            quantizer_loss=result.loss,
            quantizer_parts=result.parts,
            num_revived=result.num_revived,
            codes_NCHW=result.codes_NCHW,
        )

    def encode_latents(self, frames_BTCHW: Tensor) -> Tensor:
        """Frames -> what the quantizer sees: float32 latents (B x T, D, h, w)."""
        return self.encode_images(as_images(frames_BTCHW)).float()

    def encode(self, frames_BTCHW: Tensor) -> Tokens:
        """Frames -> tokens (B, T, h, w)."""
        tokens_NHW: Tensor = self.quantize(self.encode_latents(frames_BTCHW)).tokens_NHW
        return Tokens(rearrange(tokens_NHW, "(b t) h w -> b t h w", t=frames_BTCHW.shape[1]))

    def decode(self, tokens: Tokens) -> Tensor:
        """Tokens -> frames, float32, about [-1, 1] (not clamped).

        Raises:
            ValueError: a token outside [0, K), or a context, which these tokens have not.
        """
        if tokens.context_BSHW is not None:
            raise ValueError("this tokenizer has no context: these tokens are another's")
        tokens_BTHW = tokens.frames_BTHW
        if tokens_BTHW.numel() and not (tokens_BTHW.min() >= 0 and tokens_BTHW.max() < self.codebook_size):
            raise ValueError(f"tokens must be in [0, {self.codebook_size})")
        codes_NCHW = self.quantize.codes_from_tokens(tokens_BTHW.flatten(0, 1))
        return self._decode(codes_NCHW, tokens_BTHW.shape[1])

    def _decode(self, codes_NCHW: Tensor, num_frames: int) -> Tensor:
        images_NCHW = self.decode_images(codes_NCHW, num_frames)
        return rearrange(images_NCHW.float(), "(b t) c h w -> b t c h w", t=num_frames)


def as_images(frames_BTCHW: Tensor) -> Tensor:
    """Clips as a list of images (B x T, C, H, W), channels last in memory.

    That is the layout that convolutions are fastest in; frames that come as (..., H, W, 3) have it.
    """
    return rearrange(frames_BTCHW, "b t c h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
