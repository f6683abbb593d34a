"""Muon against singular value decompositions, torch's own Muon, and AdamW for what it leaves alone."""

import copy
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from vqtool.core.config import OptimConfig, PatchConfig
from vqtool.core.config.quantizer import VqConfig
from vqtool.core.tokenizers import build_tokenizer
from vqtool.errors import ConfigError
from vqtool.training.adamw import adamw
from vqtool.training.muon import Muon, MuonAdamW, hidden_matrices, orthogonalised

CONFIG = OptimConfig(kind="muon", lr=0.1, weight_decay=0.1)


def network() -> nn.Sequential:
    """Two convolutions between hidden layers, of one and of three blocks of rows, and narrow layers around them."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 64, 3), nn.Conv2d(64, 136, 1), nn.Conv2d(136, 5, 1))


def with_gradients(model: nn.Module, seed: int = 1) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return model


def spectrum(low: float, rows: int = 48, columns: int = 200) -> Tensor:
    """A matrix whose singular values fall from 1 to `low` in equal ratios."""
    generator = torch.Generator().manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(rows, rows, generator=generator, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(columns, rows, generator=generator, dtype=torch.float64))
    return (left * torch.logspace(0, torch.tensor(low).log10().item(), rows, dtype=torch.float64)) @ right.mT


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_singular_values_become_about_one_and_directions_stay(scale: float) -> None:
    matrix = spectrum(low=0.1) * scale
    (result,) = orthogonalised([matrix.float()[None]])
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    middle = left.mT @ result[0].double() @ right.mT
    assert middle.diagonal().min() > 0.65 and middle.diagonal().max() < 1.25
    assert (middle - middle.diagonal().diag()).abs().max() < 1e-3


@pytest.mark.parametrize("low", [0.1, 1e-3, 1e-12])
def test_it_is_the_iteration_on_the_whole_matrix_in_double_precision(low: float) -> None:
    x = matrix = spectrum(low)
    x = x / x.norm()
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    (result,) = orthogonalised([matrix.float()[None]])
    torch.testing.assert_close(result[0].double(), x, rtol=0, atol=1e-3 * float(x.abs().max()))


def test_matrices_of_any_size_go_together_as_they_go_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    stacks = [torch.randn(2, 64, 80, generator=generator), torch.randn(1, 48, 64, generator=generator)]
    for together, alone in zip(orthogonalised(stacks), stacks, strict=True):
        for result, matrix in zip(together, alone, strict=True):
            torch.testing.assert_close(result, orthogonalised([matrix[None]])[0][0])


def test_a_matrix_of_zeros_stays() -> None:
    assert not orthogonalised([torch.zeros(1, 64, 64)])[0].any()


def test_steps_are_those_of_torchs_muon_on_matrices_of_one_block() -> None:
    torch.manual_seed(0)
    mine = torch.nn.Parameter(torch.randn(64, 96))
    theirs = torch.nn.Parameter(mine.detach().clone())
    optimizers = (
        Muon([mine], lr=0.1, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(4):
        mine.grad = torch.randn(64, 96)
        theirs.grad = mine.grad.clone()
        for optimizer in optimizers:
            optimizer.step()  # type: ignore[no-untyped-call]
        # torch iterates in bf16.
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0.004)


def test_steps_are_as_long_as_adamws_and_rows_are_orthogonal_in_their_blocks() -> None:
    model = with_gradients(network())
    before = copy.deepcopy(model)
    MuonAdamW(model, OptimConfig(kind="muon", lr=0.1)).step()
    for number, num_blocks in ((1, 1), (2, 3)):
        weight, old = model[number].weight, before[number].weight  # type: ignore[index]
        step = (weight - old).detach()
        assert 0.7 * 0.02 < float(step.square().mean().sqrt()) < 1.2 * 0.02
        for block in step.flatten(1).tensor_split(num_blocks):
            values = torch.linalg.svdvals(block / (0.02 * max(block.shape) ** 0.5))
            assert values.min() > 0.5 and values.max() < 1.3


def test_what_is_no_hidden_matrix_takes_adamws_steps() -> None:
    mine, theirs = network(), network()
    muon, reference = MuonAdamW(mine, CONFIG), adamw(theirs.parameters(), CONFIG)
    for seed in range(3):
        with_gradients(mine, seed), with_gradients(theirs, seed)
        muon.step(), reference.step()
    same = [torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True)]
    assert same == [True, True, False, True, False, True, True, True]


def test_without_a_gradient_nothing_moves() -> None:
    model = network()
    before = copy.deepcopy(model)
    MuonAdamW(model, CONFIG).step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_the_layout_in_memory_makes_no_difference() -> None:
    layouts = (torch.contiguous_format, torch.channels_last)

    def after(mine: torch.memory_format, grads: torch.memory_format) -> Tensor:
        model = network().to(memory_format=mine)  # type: ignore[call-overload]
        optimizer = MuonAdamW(model, CONFIG)
        for seed in range(3):
            for parameter in with_gradients(model, seed).parameters():
                if parameter.ndim == 4:
                    assert parameter.grad is not None
                    parameter.grad = parameter.grad.contiguous(memory_format=grads)
            optimizer.step()
        return torch.cat([parameter.detach().contiguous().flatten() for parameter in model.parameters()])

    expected = after(*layouts[:1] * 2)
    for mine, grads in product(layouts, repeat=2):
        torch.testing.assert_close(after(mine, grads), expected, rtol=1e-4, atol=1e-4)


def test_a_restored_optimizer_goes_on_as_if_nothing_had_been() -> None:
    straight = network()
    first = MuonAdamW(straight, CONFIG)
    with_gradients(straight, 0)
    first.step()
    resumed = copy.deepcopy(straight)
    second = MuonAdamW(resumed, CONFIG)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for model, optimizer in ((straight, first), (resumed, second)):
        optimizer.zero_grad()
        assert all(parameter.grad is None for parameter in model.parameters())
        with_gradients(model, 1)
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))
    with pytest.raises(KeyError):
        second.load_state_dict(adamw(resumed.parameters(), CONFIG).state_dict())


def test_hidden_matrices_of_a_tokenizer_are_neither_its_ends_nor_its_codes_nor_what_is_frozen() -> None:
    config = PatchConfig(
        resolution=32, channels=64, channel_multipliers=(1, 2), quantizer=VqConfig(codebook_size=128, code_dim=64)
    )
    model = build_tokenizer(config)
    model.decoder.requires_grad_(False)  # type: ignore[operator, union-attr]
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    names = [named[id(matrix)] for matrix in hidden_matrices(model)]
    assert "encoder.levels.0.0.conv1.weight" in names and "encoder.down.0.1.weight" in names
    assert all(name.startswith("encoder.") for name in names)
    assert "encoder.conv_in.weight" not in names


def test_a_model_without_wide_layers_is_told_so() -> None:
    with pytest.raises(ConfigError, match=r'at least 64 channels.*set optim\.kind = "adamw", or more model\.channels'):
        MuonAdamW(nn.Conv2d(3, 32, 3), CONFIG)
