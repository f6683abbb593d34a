"""A frozen random codebook seen through one learnt linear layer.

Zhu et al. 2024, "Addressing Representation Collapse in Vector Quantized Models with One Linear Layer".
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.config import SimVqConfig
from vqtool.core.quantizers.base import Choice, Quantizer
from vqtool.core.quantizers.lookup import nearest_code
from vqtool.core.quantizers.vq import vq_losses


class SimVqQuantizer(Quantizer):
    """Codes are C W with C frozen and W learnt (section 4): every latent moves all codes, so none is left behind.

    There is nothing to place and nothing to revive. The losses are those of `vq`.
    """

    frozen: Tensor

    def __init__(self, config: SimVqConfig) -> None:
        super().__init__()
        self.config = config
        self.codebook_size = config.codebook_size
        self.code_dim = config.code_dim
        self.gradient = config.gradient
        self.register_buffer("frozen", torch.randn(config.codebook_size, config.code_dim) / config.code_dim**0.5)
        self.projection = nn.Linear(config.code_dim, config.code_dim, bias=False)

    @property
    def codes_KD(self) -> Tensor:
        """The frozen codes through the layer, with its gradient."""
        codes_KD: Tensor = self.projection(self.frozen)
        return codes_KD

    def choose(self, latents_ND: Tensor) -> Choice:
        """The nearest codes by Euclidean distance."""
        codes_KD = self.codes_KD
        tokens_N = nearest_code(latents_ND, codes_KD)
        codes_ND = F.embedding(tokens_N, codes_KD)
        loss, parts = vq_losses(latents_ND, codes_ND, self.config.commitment_weight)
        return Choice(codes_ND, tokens_N[:, None], loss, parts, tokens_N.new_zeros(()))
