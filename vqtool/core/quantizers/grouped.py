"""Groups of channels with a quantizer each: Jegou et al. 2011, "Product Quantization for Nearest Neighbor Search"."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vqtool.core.config import GroupedConfig
from vqtool.core.quantizers.base import Choice, Quantizer
from vqtool.core.quantizers.composite import CompositeQuantizer


class GroupedQuantizer(CompositeQuantizer):
    """The code is the members' codes side by side (section II.B); the first channels are the first member's."""

    def __init__(self, config: GroupedConfig, groups: Sequence[Quantizer]) -> None:
        super().__init__(groups)
        self.config = config
        self.code_dim = sum(group.code_dim for group in groups)

    def bound(self, latents_ND: Tensor) -> Tensor:
        """Each group as its quantizer does."""
        pairs = zip(self.each(), self._split(latents_ND), strict=True)
        return torch.cat([group.bound(part) for group, part in pairs], dim=1)

    def pass_gradient(self, latents_ND: Tensor, codes_ND: Tensor) -> Tensor:
        """Each group as its quantizer does."""
        triples = zip(self.each(), self._split(latents_ND), self._split(codes_ND), strict=True)
        return torch.cat([group.pass_gradient(part, codes) for group, part, codes in triples], dim=1)

    def initialise(self, vectors_ND: Tensor) -> None:
        """Place each group's codes among its channels."""
        for group, part in zip(self.each(), self._split(vectors_ND), strict=True):
            group.initialise(part)

    def choose(self, latents_ND: Tensor) -> Choice:
        """Each group's choice for its channels."""
        choices = [group.choose(part) for group, part in zip(self.each(), self._split(latents_ND), strict=True)]
        return self.merge(torch.cat([choice.codes_ND for choice in choices], dim=1), choices)

    def look_up(self, tokens_NP: Tensor) -> Tensor:
        """The groups' codes side by side."""
        parts = zip(self.each(), self.split_tokens(tokens_NP), strict=True)
        return torch.cat([group.look_up(tokens) for group, tokens in parts], dim=1)

    def _split(self, vectors_ND: Tensor) -> tuple[Tensor, ...]:
        return torch.split(vectors_ND, [group.code_dim for group in self.each()], dim=1)
