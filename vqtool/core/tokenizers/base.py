"""What every tokenizer gives and promises: frames to tokens and back, and the stages it is trained in."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqtool.core.quantizers import Quantizer


@dataclass(frozen=True)
class Tokens:
    """The tokens of clips, int64 in [0, K); every code of a tokenizer has a number of its own.

    frames_BTHW: those of each frame. context_BSHW: those of each segment of a clip, whose frames share them; None where
    every frame stands alone.
    """

    frames_BTHW: Tensor
    context_BSHW: Tensor | None = None

    def parts(self) -> dict[str, Tensor]:
        """The grids by name: `frames`, and `context` where there is one."""
        context = {} if self.context_BSHW is None else {"context": self.context_BSHW}
        return {"frames": self.frames_BTHW, **context}

    def stored(self) -> "Tokens":
        """As int32 on the CPU, to be kept."""
        context = self.context_BSHW
        return Tokens(self.frames_BTHW.int().cpu(), None if context is None else context.int().cpu())

    @staticmethod
    def joined(batches: Sequence["Tokens"]) -> "Tokens":
        """The tokens of all batches, in their order."""
        contexts = [tokens.context_BSHW for tokens in batches if tokens.context_BSHW is not None]
        frames_BTHW = torch.cat([tokens.frames_BTHW for tokens in batches])
        return Tokens(frames_BTHW, torch.cat(contexts) if contexts else None)

    def of_clips(self) -> Tensor:
        """All tokens of each clip, (B, N): the context's first."""
        context = [] if self.context_BSHW is None else [self.context_BSHW.flatten(1)]
        return torch.cat([*context, self.frames_BTHW.flatten(1)], dim=1)


@dataclass(frozen=True)
class Reconstruction:
    """What a tokenizer gives for clips.

    frames_BTCHW: the reconstruction, float32, about [-1, 1] (not clamped).
    tokens: what it was made from; None where quantization was off.
    quantizer_loss: what training adds; 0 where quantization was off.
    quantizer_parts: its unweighted terms by name, for the log.
    num_revived: codes that were replaced because they were not used.
    target_BTCHW: what training compares the frames with; None is the input. In training a tokenizer may answer with a
    part of the frames, or with pictures made of them.
    context_BTCHW: what each frame would be from its context alone; None where there is none.
    moving_BTHW: which pixels of the target move, as training weighs them; None where it does not tell.
    codes_NCHW: what a frame was decoded from, (B x T, D, h, w); None where frames share codes.
    """

    frames_BTCHW: Tensor
    tokens: Tokens | None
    quantizer_loss: Tensor
    quantizer_parts: dict[str, Tensor]
    num_revived: Tensor
    target_BTCHW: Tensor | None = None
    context_BTCHW: Tensor | None = None
    moving_BTHW: Tensor | None = None
    codes_NCHW: Tensor | None = None


@dataclass(frozen=True)
class Stage:
    """A part of training: its name and its share of the whole run, in (0, 1]."""

    name: str
    share: float


class Tokenizer(nn.Module, ABC):
    """Frames to tokens and back.

    Frames are float (B, T, 3, R, R) in [-1, 1], R = `resolution`; a single frame has T = 1.

    Contract (tested for every kind): in evaluation `decode(encode(x))` are exactly the frames that `forward(x)` gives;
    tokens are in [0, K); `bits(T)` and `num_tokens(T)` are those of a clip of T frames at a fixed length a token.

    codebook_sizes: the number of codes of each codebook; tokens count through them in this order, so K is their sum.
    stages: what training does one after the other; `stage` is the number of the present one, and `quantizer` the one
    that learns in it. Only `stage_parameters()` have a gradient in it.
    segment_frames: the frames that share one grid of the context, counted from the first frame of a clip; the last
    segment may be shorter, and each is encoded and decoded by itself. 0 where every frame is encoded by itself.
    frames_stand_alone: whether every frame is decoded by itself too.
    """

    resolution: int
    segment_frames: int = 0
    frames_stand_alone: bool = False
    stages: tuple[Stage, ...] = (Stage("tokenizer", 1.0),)
    stage: int = 0

    @property
    @abstractmethod
    def quantizer(self) -> Quantizer:
        """The quantizer that learns in the present stage."""

    @property
    @abstractmethod
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes of each codebook, in the order that tokens count through them."""

    @abstractmethod
    def forward(self, frames_BTCHW: Tensor, quantized: bool = True) -> Reconstruction:
        """Reconstruct clips; with `quantized` false the decoder gets the latents without a choice of codes."""

    @property
    def is_fitted(self) -> bool:
        """Whether training may start; before its first step an unfitted tokenizer is given frames to `fit`."""
        return True

    def fit(self, batches: Iterator[Tensor]) -> None:
        """Take a start from as many batches of real frames (B, T, 3, R, R) as it needs; most need none.

        In a distributed run every process calls this with its part of the same batches, and all get the same start.
        """

    @abstractmethod
    def encode_latents(self, frames_BTCHW: Tensor) -> Tensor:
        """Frames -> what `quantizer` sees: float32 latents (N, D, h, w)."""

    @abstractmethod
    def encode(self, frames_BTCHW: Tensor) -> Tokens:
        """Frames -> tokens."""

    @abstractmethod
    def decode(self, tokens: Tokens) -> Tensor:
        """Tokens -> frames (B, T, 3, R, R), float32, about [-1, 1] (not clamped).

        Raises:
            ValueError: a token that is not one of its codebook, or grids that do not fit together.
        """

    @abstractmethod
    def num_tokens(self, num_frames: int) -> int:
        """Tokens of a clip of this many frames."""

    @abstractmethod
    def bits(self, num_frames: int) -> float:
        """Bits of these tokens at a fixed length each."""

    @property
    def last_layer(self) -> Tensor | None:
        """The weight of the decoder's last layer in the present stage: what the adversarial weight adapts to.

        None is a tokenizer that names none: the weight is used as it is.
        """
        return None

    @property
    def codebook_size(self) -> int:
        """All codes, K."""
        return sum(self.codebook_sizes)

    def enter_stage(self, number: int) -> None:
        """Train stage `number` from now on: only its parameters have a gradient."""
        self.stage = number
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for parameter in self.stage_parameters():
            parameter.requires_grad_(True)

    def stage_parameters(self) -> Iterator[nn.Parameter]:
        """Those that the present stage trains."""
        return self.parameters()
