"""Codebook usage against numbers worked out by hand."""

import math

import pytest
import torch

from vqtool.core.metrics import CodebookUsage


def test_counts_used_dead_entropy_and_perplexity_by_hand() -> None:
    usage = CodebookUsage(6)
    usage.update(torch.tensor([[0, 0, 0, 0], [2, 2, 5, 3]]))
    assert usage.counts.tolist() == [4, 0, 2, 1, 0, 1]
    assert usage.counts.dtype == torch.int64
    assert (usage.used, usage.dead) == (4, 2)
    # Shares 1/2, 1/4, 1/8, 1/8: 1/2 * 1 + 1/4 * 2 + 2 * 1/8 * 3 bits.
    assert usage.entropy_bits == pytest.approx(1.75)
    assert usage.perplexity == pytest.approx(3.3635857)


def test_even_use_has_the_perplexity_of_the_codebook_and_one_code_has_one() -> None:
    usage = CodebookUsage(1000)
    usage.update(torch.arange(1000).repeat(3))
    assert usage.perplexity == pytest.approx(1000)
    assert usage.entropy_bits == pytest.approx(math.log2(1000))
    usage.reset()
    usage.update(torch.full((7,), 999))
    assert (usage.used, usage.dead, usage.perplexity, usage.entropy_bits) == (1, 999, 1.0, 0.0)


def test_it_counts_over_all_updates_since_the_last_reset() -> None:
    tokens = torch.randint(0, 50, (5, 3, 4, 4), generator=torch.Generator().manual_seed(7), dtype=torch.int32)
    whole, parts = CodebookUsage(50), CodebookUsage(50)
    parts.update(tokens)
    parts.reset()
    whole.update(tokens)
    for clip in tokens:
        parts.update(clip)
    parts.update(tokens[:0])
    assert torch.equal(whole.counts, parts.counts)
    assert whole.counts.sum() == tokens.numel()
    assert torch.equal(whole.counts, torch.tensor([(tokens == code).sum() for code in range(50)]))


def test_counts_is_a_copy() -> None:
    usage = CodebookUsage(3)
    usage.counts.add_(5)
    assert usage.counts.tolist() == [0, 0, 0]
    assert (usage.used, usage.dead, usage.entropy_bits, usage.perplexity) == (0, 3, 0.0, 1.0)


@pytest.mark.parametrize("token", [-1, 4])
def test_tokens_outside_the_codebook_are_a_mistake_and_count_nothing(token: int) -> None:
    usage = CodebookUsage(4)
    with pytest.raises(ValueError, match="codebook of 4"):
        usage.update(torch.tensor([0, 1, token]))
    assert usage.counts.sum() == 0
