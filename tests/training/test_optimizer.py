"""Learning rate, weight average and running codebook usage, against hand computations."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from vqtool.core.config import ClassicConfig, OptimConfig
from vqtool.core.tokenizers.classic import VQVAE
from vqtool.training.adamw import FusedAdamW
from vqtool.training.optimizer import WeightAverage, build_optimizer, learning_rate, restore_optimizer
from vqtool.training.usage import RunningUsage

SMALL = ClassicConfig(resolution=16, channels=8, channel_multipliers=(1,), num_res_blocks=1, latent_channels=4)


def test_the_rate_warms_up_and_falls_to_one_percent() -> None:
    config = OptimConfig(lr=1.0, warmup_steps=10, schedule="cosine")
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 9, 0.0) == pytest.approx(1.0)
    assert learning_rate(config, 500, 0.5) == pytest.approx(0.505)
    assert learning_rate(config, 1000, 1.0) == pytest.approx(0.01)
    assert learning_rate(config, 1000, 7.0) == pytest.approx(0.01)


def test_a_constant_schedule_only_warms_up() -> None:
    config = OptimConfig(lr=1.0, warmup_steps=4, schedule="constant")
    assert [learning_rate(config, step, step / 8) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert learning_rate(OptimConfig(lr=1.0, warmup_steps=0, schedule="constant"), 0, 0) == 1


def test_steps_are_those_of_torchs_plain_adamw_in_any_layout() -> None:
    """Not so torch's fused one: where the gradient has another layout than its parameter, it takes wrong steps."""
    torch.manual_seed(0)
    start, gradients = torch.randn(8, 6, 3, 3), torch.randn(3, 8, 6, 3, 3)
    layouts = (torch.contiguous_format, torch.channels_last)

    def after(optimizer: type[torch.optim.AdamW], mine: torch.memory_format, grads: torch.memory_format) -> Tensor:
        weight = nn.Parameter(start.clone(memory_format=mine))
        bias, unused = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.zeros(2))
        plain = optimizer is torch.optim.AdamW
        steps = optimizer([weight, bias, unused], lr=0.1, weight_decay=0.1, fused=not plain)
        for gradient in gradients:
            weight.grad, bias.grad = gradient.clone(memory_format=grads), gradient.mean()
            steps.step()
        assert weight.stride() == start.clone(memory_format=mine).stride()
        return torch.cat([weight.detach().contiguous().flatten(), bias.detach()[None], unused.detach()])

    expected = after(torch.optim.AdamW, *layouts[:1] * 2)
    for mine, grads in product(layouts, repeat=2):
        torch.testing.assert_close(after(FusedAdamW, mine, grads), expected, rtol=1e-5, atol=1e-6)


def test_a_state_of_the_other_kind_is_refused() -> None:
    wide = nn.Linear(64, 64)
    optimizers = [build_optimizer(wide, OptimConfig(kind=kind)) for kind in ("adamw", "muon")]
    for mine, other in product(optimizers, repeat=2):
        if mine is other:
            restore_optimizer(mine, other.state_dict())
        else:
            with pytest.raises(ValueError, match=r"another optim\.kind"):
                restore_optimizer(mine, other.state_dict())


def test_the_average_follows_the_weights_and_copies_the_codebook_state() -> None:
    torch.manual_seed(0)
    model = VQVAE(SMALL)
    average = WeightAverage(model, decay=0.5)
    before = average.model.encoder.conv_in.weight.clone()
    with torch.no_grad():
        model.encoder.conv_in.weight += 1
        model.quantize.usage[0] = 7
    average.update(model, step=0)  # decay of the first step: 1 / 10
    torch.testing.assert_close(average.model.encoder.conv_in.weight, before + 0.9)
    average.update(model, step=1000)
    torch.testing.assert_close(average.model.encoder.conv_in.weight, before + 0.95)
    assert average.model.quantize.usage[0] == 7
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    assert not average.model.training


def test_running_usage_counts_codes_of_the_last_hundred_steps() -> None:
    usage = RunningUsage(8, torch.device("cpu"))
    usage.update(torch.tensor([0, 1, 2, 3]), step=0)
    for step in range(1, 102):
        usage.update(torch.tensor([[5], [6]]), step)
    assert int(usage.summary(100)["used"]) == 6
    assert int(usage.summary(101)["used"]) == 2
    assert int(usage.summary(101)["dead"]) == 6
    assert float(usage.summary(101)["perplexity"]) < 3


def test_even_use_has_the_codebook_size_as_perplexity() -> None:
    usage = RunningUsage(8, torch.device("cpu"))
    usage.update(torch.arange(8), step=0)
    assert math.isclose(float(usage.summary(0)["perplexity"]), 8, rel_tol=1e-5)
