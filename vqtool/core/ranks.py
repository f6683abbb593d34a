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


def of_first_rank(tensor: Tensor) -> Tensor:
    """The tensor of the first process, in every process."""
    if num_ranks() == 1:
        return tensor
    return sum_over_ranks(tensor.clone() if dist.get_rank() == 0 else torch.zeros_like(tensor))


def of_all_ranks(tensor: Tensor) -> Tensor:
    """The tensors of all processes, of one shape, one after the other along the first axis."""
    if num_ranks() == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(num_ranks())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def rows_of_this_rank(tensor: Tensor) -> Tensor:
    """This process's equal share of rows that all have: with one process all of them."""
    return tensor if num_ranks() == 1 else tensor.chunk(num_ranks())[dist.get_rank()]


def rows_of_all_ranks(vectors_ND: Tensor, chosen_K: Tensor) -> Tensor:
    """Rows (K, D) of the vectors of all processes, one after the other; the same on every process.

    Every process has N vectors; `chosen_K` are in [0, N x processes), and those of the first process count. So a draw
    from the vectors of all is that of one process which has them all.
    """
    if num_ranks() == 1:
        return vectors_ND[chosen_K]
    chosen_K = of_first_rank(chosen_K)
    owner_K1 = (chosen_K // len(vectors_ND))[:, None]
    # where, not a product: another process's row may hold what is not finite.
    return sum_over_ranks(torch.where(owner_K1 == dist.get_rank(), vectors_ND[chosen_K % len(vectors_ND)], 0.0))
