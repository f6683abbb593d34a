"""Codes that training replaces by near ones: which, how many, and that nothing else changes."""

import pytest
import torch
from pydantic import ValidationError

from vqtool.core.config import EmaConfig, ResidualConfig, VqConfig
from vqtool.core.quantizers import build_quantizer
from vqtool.core.quantizers.perturb import perturb

CODES = torch.tensor([[0.0], [1.0], [3.0], [7.0], [15.0]])


def test_a_perturbed_token_is_one_of_the_nearest_others_each_as_often() -> None:
    torch.manual_seed(0)
    tokens = torch.tensor([0, 2, 4]).repeat(4000)
    found = perturb(tokens, CODES, share=0.3, among=2)
    changed = found != tokens
    assert changed.float().mean() == pytest.approx(0.3, abs=0.02)
    for token, nearest in ((0, {1, 2}), (2, {1, 0}), (4, {3, 2})):  # by hand: |0-1|, |0-3|; |3-1|, |3-0|; ...
        seen = found[changed & (tokens == token)]
        assert set(seen.tolist()) == nearest
        assert (seen == min(nearest)).float().mean() == pytest.approx(0.5, abs=0.06)


def test_equal_codes_are_not_taken_for_the_code_itself() -> None:
    """Revival may put two codes on one latent: the twin is the nearest other."""
    codes = torch.tensor([[5.0], [5.0], [9.0]])
    assert perturb(torch.tensor([1] * 50), codes, 0.999, 1).eq(0).all()
    assert set(perturb(torch.tensor([0] * 50), codes, 0.999, 99).tolist()) <= {0, 1, 2}


def test_a_few_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the batch."""
    tokens = torch.arange(5).repeat(20)
    torch.manual_seed(0)
    whole = perturb(tokens, CODES, 0.5, 2)
    monkeypatch.setattr("vqtool.core.quantizers.perturb.MAX_DISTANCES", 15)
    torch.manual_seed(0)
    assert torch.equal(perturb(tokens, CODES, 0.5, 2), whole)


@pytest.mark.parametrize("kind", [EmaConfig, VqConfig])
def test_only_the_decoder_sees_it_and_only_in_training(kind: type[EmaConfig | VqConfig]) -> None:
    latents_NCHW = torch.randn(16, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    results = []
    for share in (0.0, 0.5):
        torch.manual_seed(0)
        config = kind(codebook_size=16, code_dim=4, revive_below=0, perturb_share=share)
        quantizer = build_quantizer(config)
        quantizer.initialise(torch.randn(200, 4))
        result = quantizer.train()(latents_NCHW)
        results.append((result, quantizer.state_dict(), quantizer.eval()(latents_NCHW)))
    (plain, state, calm), (shaken, its_state, its_calm) = results
    # The rest are to the last bit what they would be, though an EMA codebook moves in this very step.
    assert (plain.codes_NCHW == shaken.codes_NCHW).all(dim=1).float().mean() == pytest.approx(0.5, abs=0.12)
    assert torch.equal(plain.tokens_NHW, shaken.tokens_NHW) and torch.equal(plain.loss, shaken.loss)
    assert all(torch.equal(tensor, its_state[name]) for name, tensor in state.items())
    assert torch.equal(calm.codes_NCHW, its_calm.codes_NCHW)


def test_levels_that_would_mend_it_refuse_it() -> None:
    with pytest.raises(ValidationError, match=r"set of\.perturb_share to 0"):
        ResidualConfig(of=EmaConfig(perturb_share=0.1))
