"""What the frames of a segment share: a picture, by tokens of its own."""

from typing import Literal

import torch
from torch import Tensor, nn

from vqtool.core.config import ClipConfig
from vqtool.core.networks.linear_path import LinearPath
from vqtool.core.networks.patch import PatchDecoder, PatchEncoder, silence
from vqtool.core.quantizers import Quantized, build_quantizer
from vqtool.core.ranks import num_ranks, rows_of_this_rank


def draw_frames(frames_BTCHW: Tensor, num_drawn: int) -> Tensor:
    """Frames of each clip by chance, no frame twice: (B, n, C, R, R), n at most T.

    In a distributed run those that one process would draw of the whole batch.
    """
    num_clips, num_frames = frames_BTCHW.shape[:2]
    chances_BT = rows_of_this_rank(torch.rand(num_clips * num_ranks(), num_frames))
    drawn_Bn = chances_BT.argsort(dim=1)[:, :num_drawn].to(frames_BTCHW.device, non_blocking=True)
    return frames_BTCHW[torch.arange(num_clips, device=frames_BTCHW.device)[:, None], drawn_Bn]


class Context(nn.Module):
    """An image tokenizer for the mean of a segment's frames, or for its first frame."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.kind: Literal["mean", "first"] = config.context
        self.num_examples = config.train_frames
        self.quantize = build_quantizer(config.context_quantizer)
        dim, widths, num_blocks = self.quantize.code_dim, config.context_widths, config.context_res_blocks
        self.linear: LinearPath | None = None
        self.encoder = PatchEncoder(3, config.patch_size, widths, num_blocks, dim, normalised=not config.linear_path)
        self.decoder = PatchDecoder(dim, config.patch_size, widths, num_blocks, 3)
        if config.linear_path:
            self.linear = LinearPath(3, config.patch_size << (len(widths) - 1), dim)
            silence(self.encoder.conv_out)
            silence(self.decoder.conv_out)

    def forward(self, pictures_NCHW: Tensor) -> tuple[Tensor, Quantized]:
        """Pictures (N, 3, R, R) -> their reconstruction and what the quantizer gave."""
        result = self.quantize(self.latents(pictures_NCHW))
        return self.pictures(result.codes_NCHW), result

    def picture(self, frames_BTCHW: Tensor) -> Tensor:
        """What the frames of a segment (B, T, 3, R, R) share, (B, 3, R, R)."""
        return frames_BTCHW[:, 0] if self.kind == "first" else frames_BTCHW.mean(dim=1)

    def examples(self, frames_BTCHW: Tensor) -> Tensor:
        """Pictures to learn from, (B x n, 3, R, R): of each clip its context and, for variety, some of its frames.

        Clip after clip, so that those of several processes one after the other are those of one.
        """
        drawn_BnCHW = draw_frames(frames_BTCHW, self.num_examples - 1)
        return torch.cat([self.picture(frames_BTCHW)[:, None], drawn_BnCHW], dim=1).flatten(0, 1)

    def latents(self, pictures_NCHW: Tensor) -> Tensor:
        """What the quantizer sees: float32 (N, D, hc, wc)."""
        pictures_NCHW = pictures_NCHW.contiguous(memory_format=torch.channels_last)
        latents_NCHW: Tensor = self.encoder(pictures_NCHW)
        return (latents_NCHW if self.linear is None else latents_NCHW + self.linear.encode(pictures_NCHW)).float()

    def pictures(self, codes_NCHW: Tensor) -> Tensor:
        """Codes -> pictures, float32."""
        pictures_NCHW: Tensor = self.decoder(codes_NCHW)
        return (pictures_NCHW if self.linear is None else pictures_NCHW + self.linear.decode(codes_NCHW)).float()
