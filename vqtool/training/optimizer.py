"""The optimiser, its learning rate, and the moving average of the weights."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from vqtool.core.config import OptimConfig
from vqtool.core.tokenizers import Tokenizer


class FusedAdamW(torch.optim.AdamW):
    """torch's fused AdamW, told how its tensors lie in memory.

    On a CPU torch 2.13 copies what does not lie in rows, which takes half of the step where channels lie last, and
    pairs the wrong elements where a gradient lies in another order than its parameter. Here all tensors have their axes
    in the order of the parameter's memory, so that every layout is rows.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> object:
        """Fill `lists`: the parameters, their gradients, and what else belongs to each of them."""
        is_any_complex: object = super()._init_group(group, *lists)  # type: ignore[no-untyped-call]
        orders = [_axes_in_memory(parameter) for parameter in lists[0]]
        for tensors in lists:
            tensors[:] = [t.permute(order) if t.ndim else t for t, order in zip(tensors, orders, strict=False)]
        gradients = lists[1]
        gradients[:] = [gradient.contiguous() for gradient in gradients]
        return is_any_complex


def _axes_in_memory(tensor: Tensor) -> tuple[int, ...]:
    """Its axes from the one with the largest steps to that with the smallest."""
    strides = tensor.stride()
    return tuple(sorted(range(tensor.ndim), key=lambda axis: (-strides[axis], axis)))


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that have a gradient (Loshchilov and Hutter 2019)."""
    return FusedAdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.lr,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=True,
    )


def learning_rate(config: OptimConfig, step: int, share_done: float) -> float:
    """The learning rate of `step` (from 0): linear warm-up, then constant, or a cosine down to 1 % of the peak.

    `share_done` in [0, 1] is how much of the run is over, in steps or in seconds, whichever is further.
    """
    warmup = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.schedule == "constant":
        return config.lr * warmup
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share_done)))
    return config.lr * warmup * (0.01 + 0.99 * cosine)


class WeightAverage:
    """An exponential moving average of a model's parameters; buffers (the codebook's running state) are copied.

    `model` holds the average and is what is evaluated and published. The decay grows from 0 over the first steps, so
    that the average does not remember the initial weights (after tf.train.ExponentialMovingAverage, `num_updates`).
    """

    def __init__(self, model: Tokenizer, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: Tokenizer, step: int) -> None:
        """Take in the weights after optimiser step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages: list[Tensor] = list(self.model.parameters())
        weights: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for average, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(buffer)
