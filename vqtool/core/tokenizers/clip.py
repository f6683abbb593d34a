"""The clip tokenizer: what stays of a scene is sent once, and of each frame only what changed."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Self

import torch
from einops import rearrange
from torch import Tensor, nn

from vqtool.core.config import ClipConfig
from vqtool.core.metrics.moving import moving_pixels
from vqtool.core.quantizers import Quantizer
from vqtool.core.tokenizers.base import Reconstruction, Stage, Tokenizer, Tokens
from vqtool.core.tokenizers.changes import Changes
from vqtool.core.tokenizers.context import Context, draw_frames
from vqtool.core.tokenizers.frame import as_images

CONTEXT, CHANGES, JOINT = range(3)


class ClipTokenizer(Tokenizer):
    """A grid of tokens for the context of a segment of frames, and few tokens a frame for what differs from it.

    The context is the mean of the segment's frames, or its first frame: then a frame needs no later one. A segment has
    at most `segment_frames` frames, so that clips of any length stream. A frame's tokens depend on the frame and its
    context alone.

    The context's tokens are in [0, Kc), those of frames in [Kc, K). Training first learns the context as pictures of
    their own; then, with that fixed, the changes; then, where it has a share, everything together.
    """

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config, self.resolution = config, config.resolution
        self.segment_frames = config.segment_frames
        shares = (config.context_share, 1 - config.context_share - config.joint_share, config.joint_share)
        named = zip(("context", "changes", "joint"), shares, strict=True)
        self.stages = tuple(Stage(name, share) for name, share in named if share)
        self.context = Context(config)
        self.changes = Changes(config)

    @property
    def quantizer(self) -> Quantizer:
        """The context's, and from the second stage on that of the changes."""
        return self.context.quantize if self.stage == CONTEXT else self.changes.quantize

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Those of the context's quantizer, then those of the changes'."""
        return (*self.context.quantize.codebook_sizes, *self.changes.quantize.codebook_sizes)

    @property
    def last_layer(self) -> Tensor:
        """The decoder's last weight in the present stage."""
        part = self.context if self.stage == CONTEXT else self.changes
        return part.decoder.conv_out.weight

    def num_segments(self, num_frames: int) -> int:
        """Contexts of a clip of this many frames."""
        return math.ceil(num_frames / self.config.segment_frames)

    def num_tokens(self, num_frames: int) -> int:
        """Tokens of a clip of this many frames."""
        context = self.config.context_grid_size**2 * self.context.quantize.codes_per_position
        frame = self.config.grid_size**2 * self.changes.quantize.codes_per_position
        return self.num_segments(num_frames) * context + num_frames * frame

    def bits(self, num_frames: int) -> float:
        """Bits of these tokens at a fixed length each."""
        context = self.config.context_grid_size**2 * self.context.quantize.bits_per_position
        frame = self.config.grid_size**2 * self.changes.quantize.bits_per_position
        return self.num_segments(num_frames) * context + num_frames * frame

    def stage_parameters(self) -> Iterator[nn.Parameter]:
        """Of the context, of the changes, or all."""
        if self.stage in (CONTEXT, JOINT):
            yield from self.context.parameters()
        if self.stage in (CHANGES, JOINT):
            yield from self.changes.parameters()

    def train(self, mode: bool = True) -> Self:
        """As of any module, but a fixed context stays in evaluation mode: its codes must not move."""
        super().train(mode)
        if self.stage == CHANGES:
            self.context.eval()
        return self

    def enter_stage(self, number: int) -> None:
        """Train stage `number` from now on."""
        super().enter_stage(number)
        self.train(self.training)

    @property
    def is_fitted(self) -> bool:
        """Whether the linear path that the stage trains first has seen real pictures."""
        linear = self.context.linear if self.stage == CONTEXT else self.changes.linear
        return linear is None or bool(linear.fitted)

    def fit(self, batches: Iterator[Tensor]) -> None:
        """Start the stage's linear path at the principal components of what it will see."""
        if self.stage == CONTEXT and self.context.linear is not None:
            self.context.linear.fit(map(self.context.examples, batches))
        elif self.changes.linear is not None:
            self.changes.linear.fit(as_images(frames - self.context.picture(frames)[:, None]) for frames in batches)

    def forward(self, frames_BTCHW: Tensor, quantized: bool = True) -> Reconstruction:
        """Reconstruct clips; in training, what the stage needs of them: its target says what."""
        if not self.training:
            return self._reconstruct(frames_BTCHW)
        if self.stage == CONTEXT:
            return self._train_context(frames_BTCHW, quantized)
        return self._train_changes(frames_BTCHW, quantized)

    def encode_latents(self, frames_BTCHW: Tensor) -> Tensor:
        """Frames -> what the stage's quantizer sees in training: float32 latents (N, D, h, w)."""
        if self.stage == CONTEXT:
            return self.context.latents(self.context.examples(frames_BTCHW))
        picture_BCHW = self.context.picture(frames_BTCHW)
        decoded_BCHW, _ = self.context(picture_BCHW)
        return self.changes.latents(frames_BTCHW, picture_BCHW, decoded_BCHW)

    def encode(self, frames_BTCHW: Tensor) -> Tokens:
        """Frames -> tokens (B, T, h, w), and (B, S, hc, wc) of the context."""
        tokens = self._reconstruct(frames_BTCHW).tokens
        assert tokens is not None
        return tokens

    def decode(self, tokens: Tokens) -> Tensor:
        """Tokens -> frames, float32, about [-1, 1] (not clamped).

        Raises:
            ValueError: no context, another number of segments than the frames have, or a token out of range.
        """
        num_frames = tokens.frames_BTHW.shape[1]
        if tokens.context_BSHW is None or tokens.context_BSHW.shape[1] != self.num_segments(num_frames):
            raise ValueError(f"{num_frames} frames need the context of {self.num_segments(num_frames)} segments")
        first = self.context.quantize.codebook_size
        _check_range(tokens.context_BSHW, 0, first)
        _check_range(tokens.frames_BTHW, first, self.codebook_size)
        parts = []
        for number, frames_BTHW in enumerate(torch.split(tokens.frames_BTHW, self.config.segment_frames, dim=1)):
            decoded_BCHW = self.context.pictures(
                self.context.quantize.codes_from_tokens(tokens.context_BSHW[:, number])
            )
            codes_NCHW = self.changes.quantize.codes_from_tokens(frames_BTHW.flatten(0, 1) - first)
            parts.append(self.changes.paint(codes_NCHW, decoded_BCHW))
        return torch.cat(parts, dim=1)

    def _reconstruct(self, frames_BTCHW: Tensor) -> Reconstruction:
        """All frames, segment by segment."""
        segments = torch.split(frames_BTCHW, self.config.segment_frames, dim=1)
        return _joined([self._segment(frames_BTCHW) for frames_BTCHW in segments])

    def _segment(self, frames_BTCHW: Tensor) -> Reconstruction:
        """Frames that share a context."""
        picture_BCHW = self.context.picture(frames_BTCHW)
        decoded_BCHW, context = self.context(picture_BCHW)
        return self._changed(frames_BTCHW, picture_BCHW, decoded_BCHW, context.tokens_NHW)

    def _changed(
        self, frames_BTCHW: Tensor, picture_BCHW: Tensor, decoded_BCHW: Tensor, context_tokens_BHW: Tensor
    ) -> Reconstruction:
        result = self.changes.quantize(self.changes.latents(frames_BTCHW, picture_BCHW, decoded_BCHW))
        tokens_NHW = result.tokens_NHW + self.context.quantize.codebook_size
        tokens_BTHW = rearrange(tokens_NHW, "(b t) h w -> b t h w", t=frames_BTCHW.shape[1])
        return Reconstruction(
            frames_BTCHW=self.changes.paint(result.codes_NCHW, decoded_BCHW),
            tokens=Tokens(tokens_BTHW, context_tokens_BHW[:, None]),
            quantizer_loss=result.loss,
            quantizer_parts=result.parts,
            num_revived=result.num_revived,
            context_BTCHW=decoded_BCHW[:, None].expand_as(frames_BTCHW),
        )

    def _train_context(self, frames_BTCHW: Tensor, quantized: bool) -> Reconstruction:
        """The context's pictures by themselves, as clips of one frame."""
        target_NCHW = self.context.examples(frames_BTCHW)
        if not quantized:
            latents_NCHW = self.context.quantize.unquantized(self.context.latents(target_NCHW))
            return _unquantized(self.context.pictures(latents_NCHW)[:, None], target_NCHW[:, None])
        decoded_NCHW, result = self.context(target_NCHW)
        tokens = Tokens(result.tokens_NHW[:, None])
        return Reconstruction(
            decoded_NCHW[:, None], tokens, result.loss, result.parts, result.num_revived, target_NCHW[:, None]
        )

    def _train_changes(self, frames_BTCHW: Tensor, quantized: bool) -> Reconstruction:
        """Some frames of each clip under its context."""
        picture_BCHW = self.context.picture(frames_BTCHW)
        with torch.set_grad_enabled(self.stage == JOINT and torch.is_grad_enabled()):
            decoded_BCHW, context = self.context(picture_BCHW)
        chosen_BTCHW, moving_BTHW = self._draw(frames_BTCHW)
        if quantized:
            result = self._changed(chosen_BTCHW, picture_BCHW, decoded_BCHW, context.tokens_NHW)
            if self.stage == JOINT:
                result = replace(result, quantizer_loss=result.quantizer_loss + context.loss)
        else:
            latents_NCHW = self.changes.quantize.unquantized(
                self.changes.latents(chosen_BTCHW, picture_BCHW, decoded_BCHW)
            )
            result = _unquantized(self.changes.paint(latents_NCHW, decoded_BCHW), chosen_BTCHW)
        return replace(result, target_BTCHW=chosen_BTCHW, moving_BTHW=moving_BTHW)

    def _draw(self, frames_BTCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Some frames of each clip (B, t, 3, R, R), and which of their pixels move (B, t, R, R)."""
        chosen_BTCHW = draw_frames(frames_BTCHW, self.config.train_frames)
        # Pixels in [-1, 1] are twice as far apart as in [0, 1], where metrics say what moves.
        return chosen_BTCHW, moving_pixels(chosen_BTCHW / 2, frames_BTCHW.mean(dim=1) / 2)


def _joined(parts: list[Reconstruction]) -> Reconstruction:
    """Segments one after the other; losses are means, so that weights mean the same for clips of any length."""
    tokens = [part.tokens for part in parts if part.tokens is not None]
    names = parts[0].quantizer_parts
    return Reconstruction(
        frames_BTCHW=torch.cat([part.frames_BTCHW for part in parts], dim=1),
        tokens=Tokens(
            torch.cat([token.frames_BTHW for token in tokens], dim=1),
            torch.cat([token.context_BSHW for token in tokens if token.context_BSHW is not None], dim=1),
        ),
        quantizer_loss=torch.stack([part.quantizer_loss for part in parts]).mean(),
        quantizer_parts={name: torch.stack([p.quantizer_parts[name] for p in parts]).mean() for name in names},
        num_revived=torch.stack([part.num_revived for part in parts]).sum(),
        context_BTCHW=torch.cat([part.context_BTCHW for part in parts if part.context_BTCHW is not None], dim=1),
    )


def _unquantized(frames_BTCHW: Tensor, target_BTCHW: Tensor) -> Reconstruction:
    zero = frames_BTCHW.new_zeros(())
    return Reconstruction(frames_BTCHW, None, zero, {}, zero.long(), target_BTCHW)


def _check_range(tokens: Tensor, first: int, end: int) -> None:
    if tokens.numel() and not (tokens.min() >= first and tokens.max() < end):
        raise ValueError(f"tokens of this grid must be in [{first}, {end})")
