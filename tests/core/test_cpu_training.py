"""Layers with backward passes of their own, against torch's layers in double precision."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vqtool.core.networks import cpu_training
from vqtool.core.networks.cpu_training import Conv3x3, GroupNorm

LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "conv": lambda channels: Conv3x3(channels, channels + 8),
    "norm": lambda channels: GroupNorm(4, channels),
}
FORMATS = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}


def inputs(channels: int, size: int, memory_format: torch.memory_format) -> Tensor:
    """Values of another mean and size in every channel, so that no sum vanishes."""
    scales = torch.linspace(0.5, 2, channels)[:, None, None]
    values = torch.randn(3, channels, size, size) * scales + 1.5 * scales
    return values.contiguous(memory_format=memory_format)


def gradients(layer: nn.Module, x_NCHW: Tensor, pull_NCHW: Tensor, bf16: bool) -> list[Tensor]:
    """The output of a layer and the gradients of its input and parameters for the loss `sum(output * pull)`."""
    x_NCHW = x_NCHW.detach().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        y_NCHW = layer(x_NCHW.to(torch.bfloat16) if bf16 else x_NCHW)
    parts = torch.autograd.grad(y_NCHW, [x_NCHW, *layer.parameters()], pull_NCHW.to(y_NCHW.dtype))
    return [y_NCHW.detach(), *parts]


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(("kind", "channels", "size"), [("conv", 24, 4), ("conv", 16, 8), ("norm", 8, 16)])
def test_gradients_are_those_of_torchs_layers(
    kind: str, channels: int, size: int, memory_format: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer = LAYERS[kind](channels).to(memory_format=memory_format)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x_NCHW = inputs(channels, size, memory_format)
    pull_NCHW = torch.randn_like(layer(x_NCHW)) + 0.5
    exact = gradients(copy.deepcopy(layer).double(), x_NCHW.double(), pull_NCHW.double(), bf16=False)
    used = []
    function = cpu_training._Conv3x3 if kind == "conv" else cpu_training._GroupNorm
    apply = function.apply
    monkeypatch.setattr(function, "apply", lambda *values: used.append(kind) or apply(*values))
    for found, expected in zip(gradients(layer, x_NCHW, pull_NCHW, bf16=True), exact, strict=True):
        assert found.shape == expected.shape
        assert (found - expected).norm() < 0.01 * expected.norm()
    assert used == [kind]


@pytest.mark.parametrize("kind", LAYERS)
def test_elsewhere_they_are_torchs_layers(kind: str) -> None:
    """In fp32, without gradients and on grids of the other sizes, to the last bit."""
    torch.manual_seed(0)
    layer = LAYERS[kind](16)
    theirs = nn.Conv2d(16, 24, 3, padding=1) if kind == "conv" else nn.GroupNorm(4, 16)
    theirs.load_state_dict(layer.state_dict())
    for size, bf16 in ((4, False), (16, False), (16 if kind == "conv" else 4, True)):
        x_NCHW = inputs(16, size, torch.channels_last)
        pull_NCHW = torch.randn_like(layer(x_NCHW))
        both = (gradients(each, x_NCHW, pull_NCHW, bf16) for each in (layer, theirs))
        assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))
    x_NCHW = inputs(16, 8, torch.channels_last).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x_NCHW), theirs(x_NCHW))


def test_a_frozen_input_has_no_gradient_and_parameters_still_do() -> None:
    torch.manual_seed(0)
    layer = Conv3x3(8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(inputs(8, 4, torch.channels_last)).float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.bias is not None and layer.bias.grad is not None
    assert torch.allclose(layer.bias.grad, torch.full((8,), 3.0 * 16))
