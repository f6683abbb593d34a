"""What the quantizers with an explicit codebook share: look-up, k-means initialisation, usage and revival."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vqtool.core.config import CodebookConfig
from vqtool.core.quantizers.base import Quantized, Quantizer
from vqtool.core.quantizers.kmeans import kmeans
from vqtool.core.quantizers.lookup import nearest_code


class CodebookQuantizer(Quantizer):
    """Nearest code by Euclidean distance with a straight-through gradient (van den Oord et al. 2017, section 3.1).

    Buffers: `usage` (K,) is the running share of latents that chose each code, so its mean is 1 / K whatever the batch
    size; `initialised` says whether k-means has run, so that a resumed run does not run it again.
    """

    usage: Tensor
    initialised: Tensor

    def __init__(self, config: CodebookConfig) -> None:
        super().__init__()
        self.config = config
        self.codebook_size = config.codebook_size
        self.code_dim = config.code_dim
        self.warmup_steps = config.warmup_steps
        self.register_buffer("usage", torch.full((config.codebook_size,), 1 / config.codebook_size))
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))

    @property
    @abstractmethod
    def codes_KD(self) -> Tensor:
        """The codebook, float32."""

    @abstractmethod
    def _replace_codes(self, chosen_K: Tensor, codes_KD: Tensor) -> None:
        """Put the rows of `codes_KD` where `chosen_K` is true, with all running state that belongs to them."""

    @abstractmethod
    def _losses(self, latents_ND: Tensor, codes_ND: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss and its unweighted parts."""

    def _update(self, latents_ND: Tensor, tokens_N: Tensor) -> None:
        """Update running state from a training batch."""
        shares_K = torch.bincount(tokens_N, minlength=self.codebook_size).float() / len(tokens_N)
        self.usage.lerp_(shares_K, 1 - self.config.usage_decay)

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
        centres_KD = kmeans(vectors_ND, self.codebook_size, self.config.kmeans_iterations)
        self._replace_codes(torch.ones_like(self.usage, dtype=torch.bool), centres_KD)
        self.initialised.fill_(True)

    def forward(self, latents_NCHW: Tensor) -> Quantized:
        """Quantize latents (N, D, H, W); in training mode also update usage and revive unused codes."""
        with torch.autocast(latents_NCHW.device.type, enabled=False):
            latents_NCHW = latents_NCHW.float()
            latents_ND = rearrange(latents_NCHW, "n c h w -> (n h w) c")
            tokens_N = nearest_code(latents_ND, self.codes_KD)
            codes_ND = F.embedding(tokens_N, self.codes_KD)
            loss, parts = self._losses(latents_ND, codes_ND)
            num_revived = torch.zeros((), dtype=torch.int64, device=latents_ND.device)
            if self.training:
                with torch.no_grad():
                    self._update(latents_ND.detach(), tokens_N)
                    num_revived = self._revive(latents_ND.detach())
            # Straight-through: the value is exactly the code (x - x is 0), the gradient is the latent's.
            passed_ND = codes_ND.detach() + (latents_ND - latents_ND.detach())
            num, _, height, width = latents_NCHW.shape
            codes_NCHW = rearrange(passed_ND, "(n h w) c -> n c h w", h=height, w=width)
            return Quantized(codes_NCHW, tokens_N.view(num, height, width), loss, parts, num_revived)

    def codes_from_tokens(self, tokens_NHW: Tensor) -> Tensor:
        """Tokens (N, H, W) -> codes (N, D, H, W), float32."""
        return rearrange(F.embedding(tokens_NHW, self.codes_KD), "n h w c -> n c h w")

    def _revive(self, latents_ND: Tensor) -> Tensor:
        """Move codes that fell below their share of use onto random latents of the batch.

        The threshold is relative to the mean usage, so it means the same for any batch and codebook size; a revived
        code starts from the mean usage, so it has time to prove itself (after Dhariwal
        et al. 2020, Jukebox, section 3.1).
        """
        dead_K = self.usage < self.config.revive_below / self.codebook_size
        chosen = torch.randint(len(latents_ND), (self.codebook_size,), device=latents_ND.device)
        self._replace_codes(dead_K, latents_ND[chosen])
        return dead_K.sum()
