"""Two real processes: the same state in both, and it is that of all latents."""

from typing import Any

import pytest
import torch
from forks import Child, Forks
from ranked_process import NUM_RANKS, UNREVIVED, latents_of, run

from vqtool.core.quantizers import build_quantizer


@pytest.fixture(scope="module")
def found(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    pids = [forks.start(Child(run, (rank, folder))) for rank in range(NUM_RANKS)]
    assert [forks.wait(pid) for pid in pids] == [0] * NUM_RANKS
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(NUM_RANKS)]


def test_every_quantizer_has_the_same_state_in_both(found: list[dict[str, Any]]) -> None:
    first, second = found
    for name in first.keys() - {"k-means", "k-means of few"}:
        assert first[name][1] == second[name][1], name
        for key, tensor in first[name][0].items():
            assert torch.equal(tensor, second[name][0][key]), f"{name}: {key}"


@pytest.mark.parametrize("kind", ["ema", "vq"])
def test_codes_are_revived_alike_and_onto_latents_of_both(found: list[dict[str, Any]], kind: str) -> None:
    state, num_revived = found[0][f"{kind} revived"]
    assert sum(num_revived) > 4
    revived = state["embedding.weight"][state["usage"] == 1 / 16]  # in the last step: no update since
    seen = [latents_of(rank, 4, 3).movedim(1, -1).flatten(0, -2) for rank in range(NUM_RANKS)]
    owners = {int(torch.stack([(vectors == code).all(1).any() for vectors in seen]).int().argmax()) for code in revived}
    assert all(any((vectors == code).all(1).any() for vectors in seen) for code in revived)
    assert owners == {0, 1}


def test_running_means_are_those_of_one_process_with_all_latents(found: list[dict[str, Any]]) -> None:
    """Started from the same codes, with nothing revived."""
    torch.manual_seed(0)
    alone = build_quantizer(UNREVIVED).train()
    for step in range(4):
        alone(torch.cat([latents_of(rank, 4, step) for rank in range(NUM_RANKS)]))
    state, num_revived = found[0]["unrevived"]
    assert num_revived == [0, 0, 0, 0]
    for key, tensor in alone.state_dict().items():
        torch.testing.assert_close(state[key], tensor)


def test_kmeans_is_over_vectors_of_both(found: list[dict[str, Any]]) -> None:
    for name in ("k-means", "k-means of few"):
        assert torch.equal(found[0][name], found[1][name])
    assert (found[0]["k-means"] > 5).any()
    assert (found[0]["k-means"] < 5).any()
    assert set(found[0]["k-means of few"].flatten().round().tolist()) == {0.0, 1.0}
