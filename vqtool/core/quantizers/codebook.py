"""What the quantizers whose codes move one by one share: k-means initialisation, usage and revival."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from vqtool.core.config import CodebookConfig
from vqtool.core.quantizers.base import Choice, Quantizer, full_precision
from vqtool.core.quantizers.kmeans import kmeans
from vqtool.core.quantizers.lookup import count_codes, nearest_code
from vqtool.core.quantizers.perturb import perturb
from vqtool.core.ranks import num_ranks, rows_of_all_ranks, sum_over_ranks


class CodebookQuantizer(Quantizer):
    """Nearest code by Euclidean distance (van den Oord et al. 2017, section 3.1), or by cosine.

    With cosine lookup latents and codes are unit vectors for everybody, the decoder included (Yu et al. 2022, "Vector-
    quantized Image Modeling with Improved VQGAN", section 3.2); for those the nearest is the one of largest cosine.

    Buffers: `usage` (K,) is the running share of latents that chose each code, so its mean is 1 / K whatever the batch
    size; `initialised` says whether k-means has run, so that a resumed run does not run it again. In a distributed run
    both, and the latents that codes are revived onto, are of all processes.
    """

    usage: Tensor
    initialised: Tensor

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__()
        self.config = config
        self.codebook_size = config.codebook_size
        self.code_dim = config.code_dim
        self.warmup_steps = config.warmup_steps
        self.gradient = config.gradient
        self.register_buffer("usage", torch.full((config.codebook_size,), 1 / config.codebook_size))
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))

    @property
    @abstractmethod
    def _weight_KD(self) -> Tensor:
        """The codebook as it is stored."""

    @abstractmethod
    def _replace_codes(self, chosen_K: Tensor, codes_KD: Tensor) -> None:
        """Put the rows of `codes_KD` where `chosen_K` is true, with all running state that belongs to them."""

    @abstractmethod
    def _losses(self, latents_ND: Tensor, codes_ND: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss and its unweighted parts."""

    def _update(self, latents_ND: Tensor, tokens_N: Tensor, counts_K: Tensor) -> None:
        """Update running state from a training batch; `counts_K` are of all processes."""
        self.usage.lerp_(counts_K.float() / counts_K.sum(), 1 - self.config.usage_decay)

    @property
    def codes_KD(self) -> Tensor:
        """The codebook: as stored, or its unit vectors."""
        # A copy, because a revival writes to the stored codes before the gradient of their norm is taken.
        return self._weight_KD if self.config.lookup == "euclidean" else F.normalize(self._weight_KD.clone(), dim=1)

    @property
    def is_initialised(self) -> bool:
        """Whether k-means has run."""
        return bool(self.initialised)

    @property
    def num_initial_vectors(self) -> int:
        """Latents that k-means wants."""
        return self.codebook_size * self.config.vectors_per_code

    @torch.no_grad()
    def initialise(self, vectors_ND: Tensor) -> None:
        """Place the codes by k-means."""
        with full_precision(vectors_ND.device):
            unit_length = self.config.lookup == "cosine"
            vectors_ND = self.bound(vectors_ND.float())
            centres_KD = kmeans(vectors_ND, self.codebook_size, self.config.kmeans_iterations, unit_length)
        self._replace_codes(torch.ones_like(self.usage, dtype=torch.bool), centres_KD)
        self.initialised.fill_(True)

    def bound(self, latents_ND: Tensor) -> Tensor:
        """Latents as they are, or for cosine lookup their unit vectors."""
        # The floor keeps the gradient of a latent without length finite.
        return latents_ND if self.config.lookup == "euclidean" else F.normalize(latents_ND, dim=1, eps=1e-6)

    def choose(self, latents_ND: Tensor) -> Choice:
        """The nearest codes; in training mode also update usage, revive unused codes and perturb some.

        Tokens, losses and running state are those of the nearest codes; a perturbed code is for the decoder alone.
        """
        codes_KD = self.codes_KD
        tokens_N = nearest_code(latents_ND, codes_KD)
        codes_ND = F.embedding(tokens_N, codes_KD)
        loss, parts = self._losses(latents_ND, codes_ND)
        if self.training and self.config.perturb_share:
            # Before codes move or are revived.
            near_N = perturb(tokens_N, codes_KD, self.config.perturb_share, self.config.perturb_among)
            codes_ND = F.embedding(near_N, codes_KD)
        num_revived = torch.zeros((), dtype=torch.int64, device=latents_ND.device)
        if self.training:
            with torch.no_grad():
                counts_K = sum_over_ranks(count_codes(tokens_N, self.codebook_size))
                self._update(latents_ND.detach(), tokens_N, counts_K)
                num_revived = self._revive(latents_ND.detach())
        return Choice(codes_ND, tokens_N[:, None], loss, parts, num_revived)

    def _revive(self, latents_ND: Tensor) -> Tensor:
        """Move codes that fell below their share of use onto random latents of the batch.

        The threshold is relative to the mean usage, so it means the same for any batch and codebook size; a revived
        code starts from the mean usage, so it has time to prove itself (after Dhariwal
        et al. 2020, Jukebox, section 3.1).
        """
        dead_K = self.usage < self.config.revive_below / self.codebook_size
        chosen_K = torch.randint(len(latents_ND) * num_ranks(), (self.codebook_size,), device=latents_ND.device)
        self._replace_codes(dead_K, rows_of_all_ranks(latents_ND, chosen_K))
        return dead_K.sum()
