"""Rounding instead of a codebook: Mentzer et al. 2024, "Finite Scalar Quantization: VQ-VAE Made Simple"."""

import math

import torch
from torch import Tensor

from vqtool.core.config import FsqConfig
from vqtool.core.quantizers.base import Choice, Quantizer

SLACK = 1e-3
"""The outermost levels are reached a little before tanh saturates (the paper's eps)."""


class FsqQuantizer(Quantizer):
    """Each channel is squashed into its range by tanh and rounded to one of its levels; K is the product of the levels.

    Section 3.1 and appendix A.1. Channel i has codes -1 .. 1 in steps of 2 / L for an even number of levels L (the last
    step left out) and of 2 / (L - 1) for an odd one; the first channel is the lowest digit of the token. Nothing is
    learnt here and there is no loss.
    """

    levels_D: Tensor
    basis_D: Tensor

    def __init__(self, config: FsqConfig) -> None:
        super().__init__()
        self.config = config
        self.codebook_size = math.prod(config.levels)
        self.code_dim = len(config.levels)
        levels_D = torch.tensor(config.levels)
        # They follow from the config, so no checkpoint holds them.
        self.register_buffer("levels_D", levels_D, persistent=False)
        self.register_buffer("basis_D", levels_D.cumprod(0) // levels_D, persistent=False)

    @property
    def _half_widths_D(self) -> Tensor:
        """Steps between code 0 and code -1."""
        return self.levels_D // 2

    @property
    def remaining(self) -> Tensor:  # type: ignore[override]
        """The width of a level in that of all of them."""
        return 1 / self.levels_D

    @property
    def centre(self) -> Tensor:  # type: ignore[override]
        """Half a step below 0 for an even number of levels."""
        return -0.5 * (self.levels_D % 2 == 0) / self._half_widths_D

    @property
    def codes_KD(self) -> Tensor:
        """All combinations of levels."""
        return self._code(torch.arange(self.codebook_size, device=self.levels_D.device))

    def bound(self, latents_ND: Tensor) -> Tensor:
        """Latents squashed into the range of the levels, in the scale of the codes (the paper's f)."""
        half_D = (self.levels_D - 1) * (1 + SLACK) / 2
        offset_D = (self.levels_D % 2 == 0) * 0.5  # an even number of levels has no middle one
        squashed_ND = torch.tanh(latents_ND + torch.atanh(offset_D / half_D)) * half_D - offset_D
        return squashed_ND / self._half_widths_D

    def choose(self, latents_ND: Tensor) -> Choice:
        """The nearest level of each channel."""
        half_widths_D = self._half_widths_D
        digits_ND = (latents_ND.detach() * half_widths_D).round().long() + half_widths_D
        digits_ND = torch.minimum(digits_ND.clamp(min=0), self.levels_D - 1)
        tokens_N = (digits_ND * self.basis_D).sum(1)
        zero = latents_ND.new_zeros(())
        return Choice(self._code(tokens_N), tokens_N[:, None], zero, {}, tokens_N.new_zeros(()))

    def look_up(self, tokens_NP: Tensor) -> Tensor:
        """The codes of tokens (N, 1), without making the codebook."""
        return self._code(tokens_NP[:, 0])

    def _code(self, tokens_N: Tensor) -> Tensor:
        digits_ND = tokens_N[:, None] // self.basis_D % self.levels_D
        return (digits_ND - self._half_widths_D) / self._half_widths_D
