"""The codebook learnt by gradient (van den Oord et al. 2017, "Neural Discrete Representation Learning", eq. 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import VqConfig
from vqtool.core.quantizers.codebook import CodebookQuantizer


class VqQuantizer(CodebookQuantizer):
    """|sg(z) - e|^2 moves the codes to the latents, beta |z - sg(e)|^2 commits the latents to their codes."""

    def __init__(self, config: VqConfig) -> None:
        super().__init__(config)
        self.commitment_weight = config.commitment_weight
        self.embedding = nn.Embedding(config.codebook_size, config.code_dim)

    @property
    def _weight_KD(self) -> Tensor:
        return self.embedding.weight

    def _losses(self, latents_ND: Tensor, codes_ND: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return vq_losses(latents_ND, codes_ND, self.commitment_weight)

    def _replace_codes(self, chosen_K: Tensor, codes_KD: Tensor) -> None:
        # Only values change, in place and without branching on the device's data; Adam's moments of a revived code
        # fade within a few of its updates.
        self.embedding.weight.data.copy_(torch.where(chosen_K[:, None], codes_KD, self.embedding.weight))
        self.usage.masked_fill_(chosen_K, 1 / self.codebook_size)


def vq_losses(latents_ND: Tensor, codes_ND: Tensor, commitment_weight: float) -> tuple[Tensor, dict[str, Tensor]]:
    """|sg(z) - e|^2 + beta |z - sg(e)|^2, means over all elements, and the two terms (eq. 3)."""
    codebook = F.mse_loss(codes_ND, latents_ND.detach())
    commitment = F.mse_loss(latents_ND, codes_ND.detach())
    parts = {"codebook": codebook.detach(), "commitment": commitment.detach()}
    return codebook + commitment_weight * commitment, parts
