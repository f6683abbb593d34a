"""K-means, to place codes among latents before they are first used."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vqtool.core.quantizers.lookup import nearest_code
from vqtool.core.ranks import num_ranks, of_first_rank, rows_of_all_ranks, sum_over_ranks


def kmeans(vectors_ND: Tensor, num_codes: int, iterations: int, unit_length: bool = False) -> Tensor:
    """Lloyd's algorithm from a random subset of the vectors: (N, D) -> centres (num_codes, D), float32.

    A centre that loses all its vectors is moved to a random vector. With fewer vectors than codes, vectors repeat with
    a little noise. With `unit_length` centres are unit vectors (spherical k-means, Dhillon and Modha 2001). Randomness
    comes from torch's global generator. In a distributed run the centres are those of the vectors of all processes.

    Raises:
        ValueError: no vectors, or vectors that are not finite.
    """
    vectors_ND = vectors_ND.float()
    if not len(vectors_ND) or not torch.isfinite(vectors_ND).all():
        raise ValueError(f"k-means needs finite vectors, got {tuple(vectors_ND.shape)}")
    centres_KD = _draw(vectors_ND, num_codes)
    for _ in range(iterations):
        nearest_N = nearest_code(vectors_ND, centres_KD)
        counts_K = sum_over_ranks(torch.bincount(nearest_N, minlength=num_codes))
        sums_KD = sum_over_ranks(torch.zeros_like(centres_KD).index_add_(0, nearest_N, vectors_ND))
        means_KD = sums_KD / counts_K.clamp(min=1)[:, None]
        if unit_length:
            means_KD = F.normalize(means_KD, dim=1)
        centres_KD = torch.where(counts_K[:, None] > 0, means_KD, _draw(vectors_ND, num_codes))
    return centres_KD


def _draw(vectors_ND: Tensor, num: int) -> Tensor:
    """`num` random vectors, all different where there are enough."""
    total, device = len(vectors_ND) * num_ranks(), vectors_ND.device
    if total >= num:
        return rows_of_all_ranks(vectors_ND, torch.randperm(total, device=device)[:num])
    drawn_KD = rows_of_all_ranks(vectors_ND, torch.randint(total, (num,), device=device))
    spread = drawn_KD.std() if drawn_KD.numel() > 1 else 0.0
    return drawn_KD + 1e-3 * spread * of_first_rank(torch.randn_like(drawn_KD))
