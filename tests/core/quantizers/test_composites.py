"""What residual and grouped quantizers add to their members: layout of tokens, refinement, dropout, placing."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from vqtool.core.config import BsqConfig, EmaConfig, FsqConfig, GroupedConfig, ResidualConfig, SimVqConfig, VqConfig
from vqtool.core.quantizers import Quantizer, build_quantizer

EMA = EmaConfig(codebook_size=8, code_dim=3)


def built(config: ResidualConfig | GroupedConfig) -> Quantizer:
    torch.manual_seed(0)
    quantizer = build_quantizer(config)
    if not quantizer.is_initialised:
        quantizer.initialise(torch.randn(500, quantizer.code_dim))
    return quantizer.eval()


def latents(code_dim: int) -> Tensor:
    return torch.randn(30, code_dim, 2, 5, generator=torch.Generator().manual_seed(1))


def test_each_code_of_each_member_has_a_number_of_its_own() -> None:
    """Rows of the first member above those of the second; one table of codes decodes them."""
    quantizer = built(ResidualConfig(num_levels=3, of=EMA))
    result = quantizer(latents(3))
    assert (quantizer.codebook_size, quantizer.codes_per_position, quantizer.bits_per_position) == (24, 3, 9)
    levels = result.tokens_NHW.view(30, 3, 2, 5)
    assert [int(level.min()) // 8 for level in levels.unbind(1)] == [0, 1, 2]
    assert [int(level.max()) // 8 for level in levels.unbind(1)] == [0, 1, 2]
    table = quantizer.codes_KD
    assert table.shape == (24, 3)
    torch.testing.assert_close(table[levels].sum(1).movedim(-1, 1), result.codes_NCHW)


def test_groups_are_quantizers_of_their_own_channels() -> None:
    quantizer = built(GroupedConfig(num_groups=2, of=EMA))
    x = latents(6)
    result = quantizer(x)
    for number, (member, part) in enumerate(zip(quantizer.members, x.split(3, 1), strict=True)):
        alone = member(part)
        assert torch.equal(result.codes_NCHW[:, 3 * number : 3 * number + 3], alone.codes_NCHW)
        assert torch.equal(result.tokens_NHW.view(30, 2, 2, 5)[:, number], alone.tokens_NHW + 8 * number)
    assert not torch.equal(quantizer.members[0].codes_KD, quantizer.members[1].codes_KD)


def test_groups_of_residuals_keep_the_order_of_both() -> None:
    quantizer = built(GroupedConfig(num_groups=2, of=ResidualConfig(num_levels=2, of=EMA)))
    rows = quantizer(latents(6)).tokens_NHW.view(30, 4, 2, 5)
    assert (quantizer.codebook_size, quantizer.bits_per_position) == (32, 12)
    assert [int(row.min()) // 8 for row in rows.unbind(1)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("of", "smallest_gain"),
    [
        (EmaConfig(codebook_size=64, code_dim=3), 2.0),
        (VqConfig(codebook_size=64, code_dim=3), 2.0),
        (FsqConfig(levels=(5, 5, 5)), 20.0),
        (FsqConfig(levels=(4, 4, 4)), 12.0),  # each level is four times finer than the one before
        (FsqConfig(levels=(8, 3)), 8.5),
        (BsqConfig(codebook_size=64), 1.5),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_every_level_comes_closer_to_the_latents(of: EmaConfig, smallest_gain: float) -> None:
    distances = []
    for num_levels in (2, 3, 4):
        quantizer = built(ResidualConfig(num_levels=num_levels, of=of))
        x = latents(quantizer.code_dim)
        distances.append(float((quantizer(x).codes_NCHW - quantizer.unquantized(x)).square().mean()))
    assert distances[0] > smallest_gain * distances[1] > smallest_gain**2 * distances[2]


def test_placing_codes_leaves_training_mode_and_usage_as_they_were() -> None:
    torch.manual_seed(0)
    quantizer = build_quantizer(ResidualConfig(of=EMA)).train()
    assert not quantizer.is_initialised
    quantizer.initialise(torch.randn(quantizer.num_initial_vectors, 3))
    assert quantizer.is_initialised
    assert all(module.training for module in quantizer.modules())
    assert all(torch.equal(level.usage, torch.full((8,), 1 / 8)) for level in quantizer.members)


def test_dropout_gives_the_decoder_a_random_number_of_first_levels() -> None:
    quantizer = built(ResidualConfig(num_levels=3, dropout=0.5, of=SimVqConfig(codebook_size=8, code_dim=3)))
    x = latents(3)
    whole, table = quantizer(x), quantizer.codes_KD
    levels = table[whole.tokens_NHW.view(30, 3, 2, 5)].movedim(-1, 2).detach()
    prefixes = [levels[:, :number].sum(1) for number in (1, 2, 3)]
    seen = []
    for _ in range(400):
        result = quantizer.train()(x)
        assert torch.equal(result.tokens_NHW, whole.tokens_NHW)
        seen.append([torch.allclose(result.codes_NCHW, prefix, atol=1e-6) for prefix in prefixes].index(True))
    shares = [seen.count(number) / 400 for number in range(3)]
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=0.1)
    assert torch.equal(quantizer.eval()(x).codes_NCHW, whole.codes_NCHW)


def test_losses_and_revivals_are_those_of_the_members() -> None:
    quantizer = built(GroupedConfig(num_groups=2, of=VqConfig(codebook_size=8, code_dim=3)))
    x = latents(6)
    alone = [member(part) for member, part in zip(quantizer.members, x.split(3, 1), strict=True)]
    torch.testing.assert_close(quantizer(x).loss, (alone[0].loss + alone[1].loss) / 2)
    for name in ("codebook", "commitment"):
        torch.testing.assert_close(quantizer(x).parts[name], (alone[0].parts[name] + alone[1].parts[name]) / 2)
    for member in quantizer.members:
        member.usage[:3] = 0
    assert quantizer.train()(x).num_revived == 6


def test_a_token_of_another_level_is_refused() -> None:
    quantizer = built(ResidualConfig(num_levels=2, of=EMA))
    tokens = quantizer(latents(3)).tokens_NHW
    with pytest.raises(ValueError, match=r"must be in \[0, 8\)"):
        quantizer.codes_from_tokens(tokens.flip(1))


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match=r'set of\.lookup to "euclidean"'):
        ResidualConfig(of=EmaConfig(lookup="cosine"))
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        ResidualConfig(num_levels=1)
    with pytest.raises(ValidationError, match="power of 2"):
        BsqConfig(codebook_size=1000)
    with pytest.raises(ValidationError, match="at most 1,048,576"):
        FsqConfig(levels=(256, 256, 256))
