"""The codebook that follows its latents by exponential moving averages (van den Oord et al. 2017, appendix A.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import EmaConfig
from vqtool.core.quantizers.codebook import CodebookQuantizer
from vqtool.core.ranks import sum_over_ranks


class Codes(nn.Module):
    """Codes as a buffer, under the name that a learnt codebook has."""

    weight: Tensor

    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(num_codes, code_dim))


class EmaQuantizer(CodebookQuantizer):
    """Each code is the running mean of the latents that chose it; only the commitment loss has a gradient.

    `usage` is the running count N_i of the paper and `sums` its m_i, both as shares of a batch's latents; the code is
    m_i / N_i (eq. 7 and 8).
    """

    sums: Tensor

    def __init__(self, config: EmaConfig) -> None:
        super().__init__(config)
        self.commitment_weight = config.commitment_weight
        self.embedding = Codes(config.codebook_size, config.code_dim)
        self.register_buffer("sums", self.embedding.weight / config.codebook_size)

    @property
    def _weight_KD(self) -> Tensor:
        return self.embedding.weight

    def _losses(self, latents_ND: Tensor, codes_ND: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        commitment = F.mse_loss(latents_ND, codes_ND)
        return self.commitment_weight * commitment, {"commitment": commitment.detach()}

    def _update(self, latents_ND: Tensor, tokens_N: Tensor, counts_K: Tensor) -> None:
        super()._update(latents_ND, tokens_N, counts_K)
        sums_KD = sum_over_ranks(torch.zeros_like(self.sums).index_add_(0, tokens_N, latents_ND)) / counts_K.sum()
        self.sums.lerp_(sums_KD, 1 - self.config.usage_decay)
        # usage and sums decay together, so an unused code keeps its place; the floor is for usage that underflows.
        self.embedding.weight.copy_(self.sums / self.usage.clamp(min=1e-12)[:, None])

    def _replace_codes(self, chosen_K: Tensor, codes_KD: Tensor) -> None:
        chosen_K1 = chosen_K[:, None]
        self.embedding.weight.copy_(torch.where(chosen_K1, codes_KD, self.embedding.weight))
        self.sums.copy_(torch.where(chosen_K1, codes_KD / self.codebook_size, self.sums))
        self.usage.masked_fill_(chosen_K, 1 / self.codebook_size)
