"""A tokenizer with a context that keeps the contract and needs no training: means of blocks, rounded to levels."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import FsqConfig
from vqtool.core.quantizers import Quantizer, build_quantizer
from vqtool.core.tokenizers import Reconstruction, Tokenizer, Tokens

SEGMENT = 4


class SegmentTokenizer(Tokenizer):
    """The mean frame of a segment as 4 x 4 tokens, each frame's distance to it as 2 x 2; frames' tokens come second."""

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.resolution, self.segment_frames = resolution, SEGMENT
        self.gain = nn.Parameter(torch.ones(()))
        self.context_quantize = build_quantizer(FsqConfig(levels=(5, 5, 5)))
        self.quantize = build_quantizer(FsqConfig(levels=(7, 7, 3)))

    @property
    def quantizer(self) -> Quantizer:
        return self.quantize

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return 125, 147

    def num_tokens(self, num_frames: int) -> int:
        return -(-num_frames // SEGMENT) * 16 + num_frames * 4

    def bits(self, num_frames: int) -> float:
        raise NotImplementedError

    def encode_latents(self, frames_BTCHW: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, frames_BTCHW: Tensor, quantized: bool = True) -> Reconstruction:
        tokens, zero = self.encode(frames_BTCHW), self.gain.new_zeros(())
        return Reconstruction(self.decode(tokens), tokens, zero, {}, zero.long())

    def encode(self, frames_BTCHW: Tensor) -> Tokens:
        frames, contexts = [], []
        for segment_BTCHW in frames_BTCHW.split(SEGMENT, dim=1):
            tokens_BHW = self.context_quantize(F.adaptive_avg_pool2d(segment_BTCHW.mean(1), 4)).tokens_NHW
            change_BTCHW = segment_BTCHW - self._context(tokens_BHW)[:, None]
            small_NCHW = F.adaptive_avg_pool2d(change_BTCHW.flatten(0, 1), 2)
            tokens_NHW = self.quantize(small_NCHW * self.gain).tokens_NHW + 125
            frames.append(tokens_NHW.unflatten(0, segment_BTCHW.shape[:2]))
            contexts.append(tokens_BHW[:, None])
        return Tokens(torch.cat(frames, dim=1), torch.cat(contexts, dim=1))

    def decode(self, tokens: Tokens) -> Tensor:
        if tokens.context_BSHW is None:
            raise ValueError("no context")
        if tokens.frames_BTHW.min() < 125 or tokens.frames_BTHW.max() >= 272:
            raise ValueError("tokens must be in [125, 272)")
        parts = []
        for number, tokens_BTHW in enumerate(tokens.frames_BTHW.split(SEGMENT, dim=1)):
            codes_NCHW = self.quantize.codes_from_tokens(tokens_BTHW.flatten(0, 1) - 125)
            change_NCHW = F.interpolate(codes_NCHW, self.resolution) / self.gain
            change_BTCHW = change_NCHW.unflatten(0, tokens_BTHW.shape[:2])
            parts.append(self._context(tokens.context_BSHW[:, number])[:, None] + change_BTCHW)
        return torch.cat(parts, dim=1)

    def _context(self, tokens_BHW: Tensor) -> Tensor:
        return F.interpolate(self.context_quantize.codes_from_tokens(tokens_BHW), self.resolution)

    def stage_parameters(self) -> Iterator[nn.Parameter]:
        return self.parameters()
