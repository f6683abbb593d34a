"""Quantizers against an independent published implementation of the same papers.

Tests import it, not this file: with sympy and torch.compile it takes longer than all of them, in every process that
collects.
"""

import pytest
import torch
from torch import Tensor

from vqtool.core.config import BsqConfig, EmaConfig, FsqConfig, ResidualConfig, SimVqConfig, VqConfig
from vqtool.core.quantizers.bsq import BsqQuantizer
from vqtool.core.quantizers.codebook import CodebookQuantizer
from vqtool.core.quantizers.ema import EmaQuantizer
from vqtool.core.quantizers.fsq import FsqQuantizer
from vqtool.core.quantizers.residual import ResidualQuantizer
from vqtool.core.quantizers.simvq import SimVqQuantizer
from vqtool.core.quantizers.vq import VqQuantizer


def latents(code_dim: int, num: int = 40) -> Tensor:
    return 1.5 * torch.randn(num, code_dim, 2, 2, generator=torch.Generator().manual_seed(1))


def flat(x_NCHW: Tensor) -> Tensor:
    return x_NCHW.movedim(1, -1).flatten(0, -2)


def gradient(values: Tensor, x: Tensor) -> Tensor:
    weights = torch.randn(values.shape, generator=torch.Generator().manual_seed(2))
    return torch.autograd.grad((values * weights).sum(), x)[0]


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (7, 4, 3), (256,), (3, 3, 3, 3, 4, 4)])
def test_fsq(levels: tuple[int, ...]) -> None:
    from vector_quantize_pytorch import FSQ

    ours, theirs = FsqQuantizer(FsqConfig(levels=levels)), FSQ(list(levels))
    x = latents(len(levels)).requires_grad_()
    result, (codes, tokens) = ours(x), theirs(x)
    assert torch.equal(result.tokens_NHW, tokens.long())
    torch.testing.assert_close(result.codes_NCHW, codes)
    torch.testing.assert_close(gradient(result.codes_NCHW, x), gradient(codes, x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.codes_KD, theirs.implicit_codebook)


@pytest.mark.parametrize(("codebook_size", "inverse_temperature"), [(1024, 1.0), (1024, 10.0), (32, 5.0), (2, 3.0)])
def test_bsq(codebook_size: int, inverse_temperature: float) -> None:
    from vector_quantize_pytorch import LFQ

    config = BsqConfig(codebook_size=codebook_size, inverse_temperature=inverse_temperature, diversity=0.7)
    ours = BsqQuantizer(config).train()
    theirs = LFQ(codebook_size=codebook_size, spherical=True, entropy_loss_weight=0.1, diversity_gamma=0.7)
    x = latents(ours.code_dim).requires_grad_()
    result = ours(x)
    given, parts = theirs(x, inv_temperature=inverse_temperature, return_loss_breakdown=True)
    assert torch.equal(result.tokens_NHW, given.indices.long())
    torch.testing.assert_close(result.codes_NCHW, given.quantized)
    torch.testing.assert_close(gradient(result.codes_NCHW, x), gradient(given.quantized, x), rtol=1e-4, atol=1e-5)
    # Theirs takes no logarithm of less than 1e-5, and so counts a little less entropy.
    entropies = torch.stack([result.parts["choice_entropy"], result.parts["use_entropy"]])
    torch.testing.assert_close(
        entropies, torch.stack([parts.per_sample_entropy, parts.batch_entropy]).detach(), rtol=0.01, atol=1e-3
    )
    torch.testing.assert_close(result.loss, given.entropy_aux_loss, rtol=0.02, atol=1e-3)


def test_bsq_entropies_are_exact() -> None:
    """Against probabilities of all codes at once, and their gradient."""
    ours = BsqQuantizer(BsqConfig(codebook_size=128, inverse_temperature=4.0))
    x = latents(7).requires_grad_()
    units = torch.nn.functional.normalize(flat(x).double(), dim=1)
    probabilities = torch.softmax(2 * 4.0 * units @ ours.codes_KD.double().T, dim=1)
    choice = torch.special.entr(probabilities).sum(1).mean()
    use = torch.special.entr(probabilities.mean(0)).sum()
    result = ours(x)
    torch.testing.assert_close(result.parts["choice_entropy"].double(), choice.detach())
    torch.testing.assert_close(result.parts["use_entropy"].double(), use.detach())
    expected = torch.autograd.grad(0.1 * (choice - use), x)[0]
    torch.testing.assert_close(torch.autograd.grad(result.loss, x)[0], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("inverse_temperature", [100.0, 1e4])
def test_bsq_stays_finite_where_probabilities_underflow(inverse_temperature: float) -> None:
    ours = BsqQuantizer(BsqConfig(inverse_temperature=inverse_temperature))
    x = latents(10).requires_grad_()
    ours(x).loss.backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("kind", [(VqQuantizer, VqConfig), (EmaQuantizer, EmaConfig)])
def test_cosine_lookup(kind: tuple[type[CodebookQuantizer], type[VqConfig]]) -> None:
    from vector_quantize_pytorch import VectorQuantize

    torch.manual_seed(0)
    quantizer, config = kind
    ours = quantizer(config(codebook_size=32, code_dim=6, lookup="cosine")).eval()
    theirs = VectorQuantize(dim=6, codebook_size=32, use_cosine_sim=True, accept_image_fmap=True).eval()
    theirs.codebook = ours.codes_KD.detach()
    x = latents(6)
    codes, tokens, _ = theirs(x)
    assert torch.equal(ours(x).tokens_NHW, tokens)
    torch.testing.assert_close(ours(x).codes_NCHW, codes)
    torch.testing.assert_close(ours(x).codes_NCHW.norm(dim=1), torch.ones(40, 2, 2))
    assert torch.equal(ours(7 * x).tokens_NHW, tokens)


def test_ema_with_cosine_lookup() -> None:
    """Codes and statistics after three training batches."""
    torch.manual_seed(0)
    ours = EmaQuantizer(
        EmaConfig(codebook_size=8, code_dim=3, lookup="cosine", usage_decay=0.9, revive_below=0)
    ).train()
    starts = torch.nn.functional.normalize(torch.randn(8, 3), dim=1)
    ours._replace_codes(torch.ones(8, dtype=torch.bool), starts)
    counts, sums = torch.full((8,), 1 / 8), starts / 8
    for seed in range(3):
        x = torch.randn(50, 3, 1, 1, generator=torch.Generator().manual_seed(seed))
        units = flat(x) / flat(x).norm(dim=1, keepdim=True)
        means = sums / counts[:, None]
        tokens = (units @ (means / means.norm(dim=1, keepdim=True)).T).argmax(1)
        assert torch.equal(ours(x).tokens_NHW.flatten(), tokens)
        chosen = torch.nn.functional.one_hot(tokens, 8).float()
        counts, sums = 0.9 * counts + 0.1 * chosen.mean(0), 0.9 * sums + 0.1 * chosen.T @ units / 50
    torch.testing.assert_close(ours.codes_KD, torch.nn.functional.normalize(sums, dim=1))


@pytest.mark.parametrize("rotation", [False, True])
def test_simvq(rotation: bool) -> None:
    from vector_quantize_pytorch import SimVQ

    torch.manual_seed(0)
    gradient_kind = "rotation" if rotation else "straight-through"
    ours = SimVqQuantizer(SimVqConfig(codebook_size=32, code_dim=6, gradient=gradient_kind)).train()
    theirs = SimVQ(dim=6, codebook_size=32, channel_first=True, rotation_trick=rotation)
    theirs.frozen_codebook.copy_(ours.frozen)
    theirs.code_transform.weight.data.copy_(ours.projection.weight.data)
    x = latents(6).requires_grad_()
    result, (codes, tokens, loss) = ours(x), theirs(x)
    assert torch.equal(result.tokens_NHW, tokens)
    torch.testing.assert_close(result.codes_NCHW, codes)
    torch.testing.assert_close(result.loss, loss)
    torch.testing.assert_close(gradient(result.codes_NCHW, x), gradient(codes, x), rtol=1e-4, atol=1e-5)
    mine = torch.autograd.grad(result.loss, [x, ours.projection.weight])
    torch.testing.assert_close(mine, torch.autograd.grad(loss, [x, theirs.code_transform.weight]))


def test_residual() -> None:
    from vector_quantize_pytorch import ResidualVQ

    torch.manual_seed(0)
    of = EmaConfig(codebook_size=16, code_dim=6)
    ours = ResidualQuantizer(ResidualConfig(num_levels=3, of=of), [EmaQuantizer(of) for _ in range(3)]).eval()
    theirs = ResidualVQ(dim=6, num_quantizers=3, codebook_size=16).eval()
    for level, layer in zip(ours.each(), theirs.layers, strict=True):
        layer.codebook = level.codes_KD
    x = latents(6)
    codes, tokens, _ = theirs(flat(x))
    result = ours(x)
    own = result.tokens_NHW.view(40, 3, 2, 2) - 16 * torch.arange(3)[:, None, None]
    assert torch.equal(flat(own), tokens)
    torch.testing.assert_close(flat(result.codes_NCHW), codes)
    decoded = flat(ours.codes_from_tokens(result.tokens_NHW))
    torch.testing.assert_close(decoded, theirs.get_output_from_indices(tokens))
