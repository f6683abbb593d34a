"""Codes that training replaces by near ones, so that a decoder learns what a neighbourhood of codes means.

The latent perturbation of Qiu et al. 2025, "Robust Latent Matters: Boosting Image Generation with Sampling Error
Synthesis", which perturbs some images of a batch; here every position of every image is drawn by itself.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vqtool.core.quantizers.lookup import MAX_DISTANCES
from vqtool.core.ranks import num_ranks, rows_of_this_rank


@torch.no_grad()
def perturb(tokens_N: Tensor, codes_KD: Tensor, share: float, among: int) -> Tensor:
    """The tokens with a `share` of them replaced by one of the `among` other codes nearest to theirs, evenly drawn.

    In a distributed run those that one process would draw for the latents of all, of equal number in each.
    """
    among = min(among, len(codes_KD) - 1)
    num_all = len(tokens_N) * num_ranks()
    chances_N = rows_of_this_rank(torch.rand(num_all, device=tokens_N.device))
    ranks_N1 = rows_of_this_rank(torch.randint(1, among + 1, (num_all, 1), device=tokens_N.device))
    at_once = max(1, MAX_DISTANCES // len(codes_KD))
    parts = zip(torch.split(tokens_N, at_once), torch.split(ranks_N1, at_once), strict=True)
    near_N = torch.cat([_near(tokens, ranks, codes_KD, among) for tokens, ranks in parts])
    return torch.where(chances_N < share, near_N, tokens_N)


def _near(tokens_N: Tensor, ranks_N1: Tensor, codes_KD: Tensor, among: int) -> Tensor:
    """For each token the other code that is so many places from its own, 1 being the nearest."""
    distances_NK = torch.cdist(F.embedding(tokens_N, codes_KD), codes_KD)
    # Nearer to itself than a code that is equal.
    distances_NK.scatter_(1, tokens_N[:, None], -1)
    nearest_NM = distances_NK.topk(among + 1, dim=1, largest=False).indices
    return nearest_NM.gather(1, ranks_N1)[:, 0]
