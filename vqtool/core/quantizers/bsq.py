"""Signs on a sphere instead of a codebook.

Zhao et al. 2024, "Image and Video Tokenization with Binary Spherical Quantization".
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vqtool.core.config import BsqConfig
from vqtool.core.quantizers.base import Choice, Quantizer


class BsqQuantizer(Quantizer):
    """The latent's unit vector u, each of its L channels replaced by sign / sqrt(L) (section 3.2); K is 2^L.

    The entropy loss E[H(p(c|u))] - gamma H(E[p(c|u)]) with p(c|u) ~ exp(2 tau c u) makes each choice clear and all
    codes used alike (section 3.3; in nats). Both entropies are exact: p is a product over channels, so the first is a
    sum over channels and the second needs only the product of two matrices of half the channels each. In a distributed
    run they are of each process's own batch. The first channel is the highest bit of the token.
    """

    bits_D: Tensor
    remaining = 0.5

    def __init__(self, config: BsqConfig) -> None:
        super().__init__()
        self.config = config
        self.codebook_size = config.codebook_size
        self.code_dim = config.codebook_size.bit_length() - 1
        self.register_buffer("bits_D", 1 << torch.arange(self.code_dim - 1, -1, -1), persistent=False)

    @property
    def codes_KD(self) -> Tensor:
        """All combinations of signs, unit vectors."""
        return self._code(torch.arange(self.codebook_size, device=self.bits_D.device))

    def bound(self, latents_ND: Tensor) -> Tensor:
        """Unit vectors."""
        # The floor keeps the gradient of a latent without length finite.
        return F.normalize(latents_ND, dim=1, eps=1e-6)

    def choose(self, latents_ND: Tensor) -> Choice:
        """The signs of the channels."""
        tokens_N = ((latents_ND > 0) * self.bits_D).sum(1)
        choice, use = self._entropies(latents_ND)
        loss = self.config.entropy_weight * (choice - self.config.diversity * use)
        parts = {"choice_entropy": choice.detach(), "use_entropy": use.detach()}
        return Choice(self._code(tokens_N), tokens_N[:, None], loss, parts, tokens_N.new_zeros(()))

    def look_up(self, tokens_NP: Tensor) -> Tensor:
        """The codes of tokens (N, 1), without making the codebook."""
        return self._code(tokens_NP[:, 0])

    def _code(self, tokens_N: Tensor) -> Tensor:
        length = self.code_dim**-0.5
        return torch.where(tokens_N[:, None] & self.bits_D != 0, length, -length)

    def _entropies(self, latents_ND: Tensor) -> tuple[Tensor, Tensor]:
        """Mean entropy of a latent's choice and entropy of the mean choice, nats."""
        # Of the two signs of a channel: exp(2 tau u / sqrt(L)) against exp(-2 tau u / sqrt(L)).
        logits_ND = 4 * self.config.inverse_temperature / self.code_dim**0.5 * latents_ND
        positive_ND, negative_ND = F.logsigmoid(logits_ND), F.logsigmoid(-logits_ND)
        choice = -(positive_ND.exp() * positive_ND + negative_ND.exp() * negative_ND).sum(1).mean()
        log_probabilities = torch.stack([negative_ND, positive_ND], dim=-1)
        first, second = log_probabilities.tensor_split([self.code_dim // 2], dim=1)
        joint = _joint(first).exp().T @ _joint(second).exp() / len(latents_ND)
        # The entropy of a share that underflowed to 0 has an infinite slope.
        return choice, torch.special.entr(joint.clamp(min=torch.finfo(joint.dtype).tiny)).sum()


def _joint(log_probabilities: Tensor) -> Tensor:
    """Log probabilities (N, D, 2) of D independent signs -> of all their combinations (N, 2^D)."""
    joint_NK = log_probabilities.new_zeros(len(log_probabilities), 1)
    for sign_N2 in log_probabilities.unbind(1):
        joint_NK = (joint_NK[:, :, None] + sign_N2[:, None]).flatten(1)
    return joint_NK
