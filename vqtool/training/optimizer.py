"""The optimiser, its learning rate, and the moving average of the weights."""

import copy
import math
from typing import Any, assert_never

import torch
from torch import Tensor, nn

from vqtool.core.config import OptimConfig
from vqtool.core.tokenizers import Tokenizer
from vqtool.training.adamw import FusedAdamW, adamw
from vqtool.training.muon import MuonAdamW


def build_optimizer(model: nn.Module, config: OptimConfig) -> FusedAdamW | MuonAdamW:
    """The optimiser of `config.kind` over the parameters that have a gradient.

    Raises:
        ConfigError: there is nothing that Muon could work on.
    """
    match config.kind:
        case "adamw":
            return adamw(model.parameters(), config)
        case "muon":
            return MuonAdamW(model, config)
        case _:
            assert_never(config.kind)


def restore_optimizer(optimizer: FusedAdamW | MuonAdamW, state: dict[str, Any]) -> None:
    """Go on from `state`.

    Raises:
        KeyError, ValueError: it is that of another kind, or of other parameters.
    """
    if isinstance(optimizer, MuonAdamW) != ("muon" in state):
        raise ValueError("its optimiser is of another optim.kind")
    optimizer.load_state_dict(state)


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
