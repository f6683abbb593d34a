"""What is particular to codebooks whose codes move one by one: losses, running means, k-means, revival, look-up."""

import pytest
import torch
from torch import Tensor

from vqtool.core.config import EmaConfig, VqConfig
from vqtool.core.quantizers import build_quantizer
from vqtool.core.quantizers.codebook import CodebookQuantizer
from vqtool.core.quantizers.ema import EmaQuantizer
from vqtool.core.quantizers.kmeans import kmeans
from vqtool.core.quantizers.lookup import nearest_code
from vqtool.core.quantizers.vq import VqQuantizer

CONFIGS = [VqConfig(codebook_size=16, code_dim=4), EmaConfig(codebook_size=16, code_dim=4)]


@pytest.fixture(params=CONFIGS, ids=lambda config: config.kind)
def quantizer(request: pytest.FixtureRequest) -> CodebookQuantizer:
    torch.manual_seed(0)
    quantizer = build_quantizer(request.param)
    assert isinstance(quantizer, CodebookQuantizer)
    quantizer.initialise(torch.randn(quantizer.num_initial_vectors, quantizer.code_dim))
    return quantizer


def latents(num: int = 6) -> Tensor:
    return torch.randn(num, 4, 2, 3, generator=torch.Generator().manual_seed(1))


def test_each_latent_gets_its_nearest_code(quantizer: CodebookQuantizer) -> None:
    result = quantizer.eval()(latents())
    codes = quantizer.codes_from_tokens(torch.arange(16).view(1, 1, 16))[0, :, 0].T.double()
    flat = latents().movedim(1, -1).flatten(0, -2).double()
    assert torch.equal(result.tokens_NHW.flatten(), torch.cdist(flat, codes).argmin(1))


def test_codes_are_placed_once(quantizer: CodebookQuantizer) -> None:
    twin = build_quantizer(quantizer.config)
    assert not twin.is_initialised
    twin.load_state_dict(quantizer.state_dict())
    assert twin.is_initialised


def test_unused_codes_are_revived_onto_latents_and_then_used(quantizer: CodebookQuantizer) -> None:
    codes = quantizer.codes_KD
    with torch.no_grad():
        codes[8:] += 1000
    if isinstance(quantizer, EmaQuantizer):
        quantizer.sums.copy_(quantizer.codes_KD * quantizer.usage[:, None])
    quantizer.train()
    x = torch.randn(64, 4, 2, 2)
    num_revived = [int(quantizer(x).num_revived) for _ in range(400)]
    # Each is given time to prove itself: it starts from the mean usage, not from none.
    assert 8 <= sum(num_revived) < 30
    # Two codes may be moved onto the same latent, of which one then rests.
    assert len(quantizer.eval()(x).tokens_NHW.unique()) >= 15


def test_a_revived_code_starts_from_the_mean_usage(quantizer: CodebookQuantizer) -> None:
    quantizer.usage[3] = 0
    torch.manual_seed(0)
    assert quantizer.train()(latents()).num_revived == 1
    assert quantizer.usage[3] == 1 / 16
    if isinstance(quantizer, EmaQuantizer):  # its mean is where it is: the next update must not pull it back
        torch.testing.assert_close(quantizer.sums[3] * 16, quantizer.codes_KD[3])


def test_rarely_used_codes_are_not_revived_at_any_batch_size(quantizer: CodebookQuantizer) -> None:
    """A code with half the mean usage must rest: a fixed count as threshold would depend on the batch."""
    codes = torch.randn(16, 4) * 10
    quantizer._replace_codes(torch.ones(16, dtype=torch.bool), codes)
    picks = torch.cat([torch.zeros(17, dtype=torch.int64), torch.arange(1, 16)])
    for _ in range(300):
        assert quantizer.train()(codes[picks][:, :, None, None]).num_revived == 0


def test_vq_losses_are_those_of_the_paper() -> None:
    quantizer = VqQuantizer(VqConfig(codebook_size=2, code_dim=1, commitment_weight=0.25))
    quantizer.embedding.weight.data = torch.tensor([[0.0], [10.0]])
    x = torch.tensor([1.0, 7.0]).view(2, 1, 1, 1).requires_grad_()
    result = quantizer(x)
    assert result.parts == {"codebook": 5.0, "commitment": 5.0}  # (1 + 9) / 2
    assert result.loss == 5.0 + 0.25 * 5.0
    result.loss.backward()
    # beta is on the term that moves the latents: d/dx 0.25 * mean (x - e)^2 = 0.25 * (x - e)
    assert torch.equal(x.grad.flatten(), torch.tensor([0.25, -0.75]))
    assert torch.equal(quantizer.embedding.weight.grad.flatten(), torch.tensor([-1.0, 3.0]))


def test_ema_codes_follow_the_published_recursion() -> None:
    quantizer = EmaQuantizer(EmaConfig(codebook_size=2, code_dim=1, usage_decay=0.9, revive_below=0)).train()
    quantizer._replace_codes(torch.tensor([True, True]), torch.tensor([[0.0], [10.0]]))
    counts, sums = [0.5, 0.5], [0.0, 5.0]
    for batch in ([1.0, 2.0, 3.0, 9.0], [0.0, 8.0, 8.0, 8.0]):
        quantizer(torch.tensor(batch).view(4, 1, 1, 1))
        near = [min((0, 1), key=lambda k: abs(value - sums[k] / counts[k])) for value in batch]
        for k in (0, 1):
            mine = [value for value, code in zip(batch, near, strict=True) if code == k]
            counts[k] = 0.9 * counts[k] + 0.1 * len(mine) / 4
            sums[k] = 0.9 * sums[k] + 0.1 * sum(mine) / 4
        expected = torch.tensor([sums[k] / counts[k] for k in (0, 1)])
        torch.testing.assert_close(quantizer.codes_KD.flatten(), expected)


def test_ema_codes_have_no_gradient() -> None:
    assert list(EmaQuantizer(EmaConfig(codebook_size=2, code_dim=1)).parameters()) == []


def test_kmeans_finds_separated_clusters() -> None:
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])
    vectors = (centres[:, None] + torch.randn(4, 200, 2)).flatten(0, 1)
    found = torch.cat([kmeans(vectors, 4, iterations=20) for _ in range(5)])
    assert torch.cdist(centres, found).amin(1).max() < 0.5


def test_spherical_kmeans_finds_directions() -> None:
    torch.manual_seed(0)
    angles = torch.tensor([0.0, 2.0, 4.0])
    centres = torch.stack([angles.cos(), angles.sin()], 1)
    vectors = centres.repeat_interleave(100, 0) + 0.1 * torch.randn(300, 2)
    found = torch.cat([kmeans(vectors / vectors.norm(dim=1, keepdim=True), 3, 20, unit_length=True) for _ in range(5)])
    torch.testing.assert_close(found.norm(dim=1), torch.ones(15))
    assert torch.cdist(centres, found).amin(1).max() < 0.05


def test_codes_for_cosine_lookup_are_placed_by_spherical_kmeans() -> None:
    quantizer = EmaQuantizer(EmaConfig(codebook_size=4, code_dim=3, lookup="cosine"))
    quantizer.initialise(5 * torch.randn(50, 3))
    torch.testing.assert_close(quantizer.embedding.weight.norm(dim=1), torch.ones(4))


def test_kmeans_of_fewer_vectors_than_codes_spreads_over_them() -> None:
    centres = kmeans(torch.tensor([[0.0], [10.0]]), 8, iterations=3)
    assert centres.shape == (8, 1)
    assert torch.isfinite(centres).all()


def test_kmeans_of_one_number_is_that_number() -> None:
    assert torch.equal(kmeans(torch.tensor([[3.0]]), 4, iterations=2), torch.full((4, 1), 3.0))


@pytest.mark.parametrize("vectors", [torch.zeros(0, 2), torch.tensor([[float("nan")]])])
def test_kmeans_refuses_what_it_cannot_cluster(vectors: Tensor) -> None:
    with pytest.raises(ValueError, match="finite"):
        kmeans(vectors, 2, 1)


def test_lookup_in_chunks_is_lookup_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, codes = torch.randn(100, 3), torch.randn(7, 3)
    whole = nearest_code(vectors, codes)
    monkeypatch.setattr("vqtool.core.quantizers.lookup.MAX_DISTANCES", 21)
    assert torch.equal(nearest_code(vectors, codes), whole)
