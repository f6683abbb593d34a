"""AdamW, and how tensors lie in memory."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from vqtool.core.config import OptimConfig


class FusedAdamW(torch.optim.AdamW):
    """torch's fused AdamW, told how its tensors lie in memory.

    On a CPU torch 2.13 copies what does not lie in rows, which takes half of the step where channels lie last, and
    pairs the wrong elements where a gradient lies in another order than its parameter. Here all tensors have their axes
    in the order of the parameter's memory, so that every layout is rows.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> object:
        """Fill `lists`: the parameters, their gradients, and what else belongs to each of them."""
        is_any_complex: object = super()._init_group(group, *lists)  # type: ignore[no-untyped-call]
        orders = [axes_in_memory(parameter) for parameter in lists[0]]
        for tensors in lists:
            tensors[:] = [t.permute(order) if t.ndim else t for t, order in zip(tensors, orders, strict=False)]
        gradients = lists[1]
        gradients[:] = [gradient.contiguous() for gradient in gradients]
        return is_any_complex


def axes_in_memory(tensor: Tensor) -> tuple[int, ...]:
    """Its axes from the one with the largest steps to that with the smallest."""
    strides = tensor.stride()
    return tuple(sorted(range(tensor.ndim), key=lambda axis: (-strides[axis], axis)))


def adamw(parameters: Iterable[nn.Parameter], config: OptimConfig) -> FusedAdamW:
    """AdamW over those of `parameters` that have a gradient (Loshchilov and Hutter 2019)."""
    return FusedAdamW(
        [parameter for parameter in parameters if parameter.requires_grad],
        lr=config.lr,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=True,
    )
