"""What every quantizer gives and promises."""

import math
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vqtool.core.config import Gradient
from vqtool.core.quantizers.gradient import pass_gradient


@dataclass(frozen=True)
class Quantized:
    """The result of every quantizer.

    codes_NCHW: the chosen codes in place of the latents; the gradient reaches the latents.
    tokens_NHW: indices of the chosen codes, int64 in [0, K); with P codes a position (N, P x H, W), all positions of
    the first code above all of the second, and so on.
    loss: what training adds to its loss, a weighted sum of `parts`; float32 scalar.
    parts: the unweighted terms, by name, for the log; detached float32 scalars.
    num_revived: codes that were replaced because they were not used; an int64 scalar.
    """

    codes_NCHW: Tensor
    tokens_NHW: Tensor
    loss: Tensor
    parts: dict[str, Tensor]
    num_revived: Tensor


@dataclass(frozen=True)
class Choice:
    """Codes (N, D) and tokens (N, P) for a flat list of bounded latents, and the rest of `Quantized`."""

    codes_ND: Tensor
    tokens_NP: Tensor
    loss: Tensor
    parts: dict[str, Tensor]
    num_revived: Tensor


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Without autocast; the device that operations are only counted on has none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


class Quantizer(nn.Module, ABC):
    """Maps each latent to one of K codes, or to P of them; all inside is float32, whatever autocast is on.

    Contract (tested for every member): `codes_from_tokens(quantize(x).tokens_NHW)` are exactly the codes of `x` in
    evaluation; tokens are in range; the gradient of the codes reaches the latents; state is in buffers and parameters;
    evaluation changes nothing; in a distributed run every process has the same state.

    A member gives `choose` and `codes_KD`. codebook_size is the number of different tokens, K: with P codes a position
    the sum over all P codebooks, so that usage and perplexity are over all codes. remaining: how much shorter than a
    latent that what its code leaves is, for the next level of a residual quantizer; 1 where codes find their own scale.
    centre: the middle of the range of the codes.
    """

    codebook_size: int
    code_dim: int
    codes_per_position: int = 1
    warmup_steps: int = 0
    gradient: Gradient = "straight-through"
    remaining: Tensor | float = 1.0
    centre: Tensor | float = 0.0

    @property
    @abstractmethod
    def codes_KD(self) -> Tensor:
        """The code of each token, float32."""

    @abstractmethod
    def choose(self, latents_ND: Tensor) -> Choice:
        """Codes for bounded float32 latents; in training mode this also updates the running state."""

    def bound(self, latents_ND: Tensor) -> Tensor:
        """Latents brought to where codes can be, with a gradient; most quantizers leave them as they are."""
        return latents_ND

    def pass_gradient(self, latents_ND: Tensor, codes_ND: Tensor) -> Tensor:
        """The values of the codes with a gradient for the bounded latents."""
        return pass_gradient(self.gradient, latents_ND, codes_ND)

    def look_up(self, tokens_NP: Tensor) -> Tensor:
        """The codes (N, D) that tokens (N, P) stand for."""
        return F.embedding(tokens_NP[:, 0], self.codes_KD)

    @property
    def is_initialised(self) -> bool:
        """Whether the codes have been placed among real latents; until then training does not quantize."""
        return True

    @property
    def num_initial_vectors(self) -> int:
        """How many latents `initialise` wants."""
        return 0

    def initialise(self, vectors_ND: Tensor) -> None:
        """Place the codes among latents; `vectors_ND` are at least `num_initial_vectors` of them."""

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes of each codebook, in the order that tokens count through them."""
        return (self.codebook_size,)

    @property
    def bits_per_position(self) -> float:
        """Bits of all tokens of a position at a fixed length."""
        return sum(math.log2(size) for size in self.codebook_sizes)

    def forward(self, latents_NCHW: Tensor) -> Quantized:
        """Quantize latents (N, D, H, W); in training mode this also updates the codebook's running state."""
        num, _, height, width = latents_NCHW.shape
        with full_precision(latents_NCHW.device):
            latents_ND = self.bound(rearrange(latents_NCHW.float(), "n c h w -> (n h w) c"))
            choice = self.choose(latents_ND)
            passed_ND = self.pass_gradient(latents_ND, choice.codes_ND)
        return Quantized(
            codes_NCHW=rearrange(passed_ND, "(n h w) c -> n c h w", h=height, w=width),
            tokens_NHW=rearrange(choice.tokens_NP, "(n h w) p -> n (p h) w", n=num, h=height, w=width),
            loss=choice.loss,
            parts=choice.parts,
            num_revived=choice.num_revived,
        )

    def unquantized(self, latents_NCHW: Tensor) -> Tensor:
        """What the decoder sees of latents (N, D, H, W) before the codes are placed: bounded, float32."""
        _, _, height, width = latents_NCHW.shape
        with full_precision(latents_NCHW.device):
            latents_ND = self.bound(rearrange(latents_NCHW.float(), "n c h w -> (n h w) c"))
        return rearrange(latents_ND, "(n h w) c -> n c h w", h=height, w=width)

    def codes_from_tokens(self, tokens_NHW: Tensor) -> Tensor:
        """Tokens (N, P x H, W) -> codes (N, D, H, W), float32.

        Raises:
            ValueError: the height is no multiple of P, or a token is not one of its codebook.
        """
        num, rows, width = tokens_NHW.shape
        if rows % self.codes_per_position:
            raise ValueError(f"{rows} rows of tokens are no multiple of {self.codes_per_position} codes a position")
        tokens_NP = rearrange(tokens_NHW, "n (p h) w -> (n h w) p", p=self.codes_per_position)
        with full_precision(tokens_NHW.device):
            codes_ND = self.look_up(tokens_NP)
        return rearrange(codes_ND, "(n h w) c -> n c h w", n=num, w=width)
