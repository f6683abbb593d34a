"""Numbers that every process of a distributed run must agree on; with one process nothing happens."""

import torch
import torch.distributed as dist
from torch import Tensor


def num_ranks() -> int:
    """Processes of this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """`tensor` summed over all processes, in place; every process must call it with the same shape."""
    if num_ranks() > 1:
        dist.all_reduce(tensor)
    return tensor


def rows_of_all_ranks(rows_KD: Tensor) -> Tensor:
    """Row k of process k modulo their number, the same on every process: a random draw of each becomes one of all."""
    if num_ranks() == 1:
        return rows_KD
    owner_K1 = torch.arange(len(rows_KD), device=rows_KD.device)[:, None] % num_ranks()
    # where, not a product: another process's row may hold what is not finite.
    return sum_over_ranks(torch.where(owner_K1 == dist.get_rank(), rows_KD, 0.0))
