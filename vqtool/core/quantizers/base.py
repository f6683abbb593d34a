"""What every quantizer gives and promises."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Quantized:
    """The result of every quantizer.

    codes_NCHW: the chosen codes in place of the latents; the gradient reaches the latents.
    tokens_NHW: indices of the chosen codes, int64 in [0, K).
    loss: what training adds to its loss, a weighted sum of `parts`; float32 scalar.
    parts: the unweighted terms, by name, for the log; detached float32 scalars.
    num_revived: codes that were replaced because they were not used; an int64 scalar.
    """

    codes_NCHW: Tensor
    tokens_NHW: Tensor
    loss: Tensor
    parts: dict[str, Tensor]
    num_revived: Tensor


class Quantizer(nn.Module, ABC):
    """Maps each latent to one of K codes; all inside is float32, whatever autocast is on.

    Contract (tested for every member): `codes_from_tokens(quantize(x).tokens_NHW)` are exactly the codes of `x` in
    evaluation; tokens are in range; the gradient of the codes reaches the latents; state is in buffers and parameters.
    """

    codebook_size: int
    code_dim: int
    warmup_steps: int

    @property
    @abstractmethod
    def is_initialised(self) -> bool:
        """Whether the codes have been placed among real latents; until then training does not quantize."""

    @abstractmethod
    def initialise(self, vectors_ND: Tensor) -> None:
        """Place the codes among latents; `vectors_ND` are at least `num_initial_vectors` of them."""

    @property
    @abstractmethod
    def num_initial_vectors(self) -> int:
        """How many latents `initialise` wants."""

    @abstractmethod
    def forward(self, latents_NCHW: Tensor) -> Quantized:
        """Quantize; in training mode this also updates the codebook's running state."""

    @abstractmethod
    def codes_from_tokens(self, tokens_NHW: Tensor) -> Tensor:
        """Tokens (N, H, W) -> codes (N, D, H, W), float32."""
