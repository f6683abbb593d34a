"""The tokenizer: frames to tokens and back."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from vqtool.core.config import Decoder2dConfig, Decoder3dConfig, ModelConfig
from vqtool.core.networks.decoder import Decoder
from vqtool.core.networks.decoder3d import Decoder3d
from vqtool.core.networks.encoder import Encoder
from vqtool.core.quantizers import build_quantizer


@dataclass(frozen=True)
class Reconstruction:
    """What `VQVAE.forward` gives.

    frames_BTCHW: the reconstruction, float32, about [-1, 1] (not clamped).
    tokens_BTHW: the tokens it was made from; None where quantization was off.
    quantizer_loss: what training adds; 0 where quantization was off.
    quantizer_parts: its unweighted terms by name, for the log.
    num_revived: codes that were replaced because they were not used.
    """

    frames_BTCHW: Tensor
    tokens_BTHW: Tensor | None
    quantizer_loss: Tensor
    quantizer_parts: dict[str, Tensor]
    num_revived: Tensor


class VQVAE(nn.Module):
    """Frame encoder, quantizer and a frame or clip decoder (van den Oord et al. 2017; networks of Esser et al. 2021).

    Frames are float (B, T, 3, R, R) in [-1, 1], R the config's resolution; a single frame has T = 1. Tokens are int64
    (B, T, h, w) in [0, K), with P codes a position (B, T, P x h, w).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantize = build_quantizer(config.quantizer)
        self.quant_conv = nn.Conv2d(config.latent_channels, self.quantize.code_dim, 1)
        self.post_quant_conv = nn.Conv2d(self.quantize.code_dim, config.latent_channels, 1)
        self.decoder = _build_decoder(config)

    def forward(self, frames_BTCHW: Tensor, quantized: bool = True) -> Reconstruction:
        """Reconstruct clips; with `quantized` false the decoder gets the latents without a choice of codes."""
        num_frames = frames_BTCHW.shape[1]
        latents_NCHW = self.encode_latents(frames_BTCHW)
        if not quantized:
            zero = latents_NCHW.new_zeros((), dtype=torch.float32)
            seen_NCHW = self.quantize.unquantized(latents_NCHW)
            return Reconstruction(self._decode(seen_NCHW, num_frames), None, zero, {}, zero.long())
        result = self.quantize(latents_NCHW)
        return Reconstruction(
            frames_BTCHW=self._decode(result.codes_NCHW, num_frames),
            tokens_BTHW=rearrange(result.tokens_NHW, "(b t) h w -> b t h w", t=num_frames),
            quantizer_loss=result.loss,
            quantizer_parts=result.parts,
            num_revived=result.num_revived,
        )

    def encode_latents(self, frames_BTCHW: Tensor) -> Tensor:
        """Frames -> what the quantizer sees: float32 latents (B x T, D, h, w)."""
        frames_NCHW = rearrange(frames_BTCHW, "b t c h w -> (b t) c h w")
        # Channels last is the layout that convolutions are fastest in; frames that come as (..., H, W, 3) have it.
        frames_NCHW = frames_NCHW.contiguous(memory_format=torch.channels_last)
        latents_NCHW: Tensor = self.quant_conv(self.encoder(frames_NCHW))
        return latents_NCHW.float()

    def encode(self, frames_BTCHW: Tensor) -> Tensor:
        """Frames -> tokens (B, T, h, w)."""
        tokens_NHW: Tensor = self.quantize(self.encode_latents(frames_BTCHW)).tokens_NHW
        return rearrange(tokens_NHW, "(b t) h w -> b t h w", t=frames_BTCHW.shape[1])

    def decode_tokens(self, tokens_BTHW: Tensor) -> Tensor:
        """Tokens -> frames, float32, about [-1, 1] (not clamped).

        Raises:
            ValueError: a token outside [0, K).
        """
        if tokens_BTHW.numel() and not (tokens_BTHW.min() >= 0 and tokens_BTHW.max() < self.quantize.codebook_size):
            raise ValueError(f"tokens must be in [0, {self.quantize.codebook_size})")
        codes_NCHW = self.quantize.codes_from_tokens(tokens_BTHW.flatten(0, 1))
        return self._decode(codes_NCHW, tokens_BTHW.shape[1])

    def _decode(self, codes_NCHW: Tensor, num_frames: int) -> Tensor:
        frames_NCHW: Tensor = self.decoder(self.post_quant_conv(codes_NCHW), num_frames)
        return rearrange(frames_NCHW.float(), "(b t) c h w -> b t c h w", t=num_frames)


def _build_decoder(config: ModelConfig) -> Decoder:
    match config.decoder:
        case Decoder2dConfig():
            return Decoder(config)
        case Decoder3dConfig():
            return Decoder3d(config, config.decoder)
