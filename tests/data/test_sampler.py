"""The order of batches: whole epochs, seeded, and resumable anywhere."""

import json

import numpy as np
import pytest

from vqtool.data.sampler import BatchSampler
from vqtool.errors import DataError


@pytest.mark.parametrize(("num_items", "batch_size"), [(10, 3), (12, 4), (3, 7), (1, 5), (100, 1)])
def test_every_item_comes_once_an_epoch_in_full_batches(num_items: int, batch_size: int) -> None:
    sampler = BatchSampler(num_items, batch_size, seed=5)
    batches = [sampler.next() for _ in range(4 * num_items)]
    assert {(batch.shape, batch.dtype.name) for batch in batches} == {((batch_size,), "int64")}
    epochs = np.concatenate(batches)[: 4 * num_items].reshape(4, num_items)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(num_items), (4, 1)))


def test_epochs_differ_from_one_another_and_from_those_of_another_seed() -> None:
    one, other = BatchSampler(50, 50, seed=1), BatchSampler(50, 50, seed=2)
    orders = {tuple(sampler.next()) for sampler in (one, one, other, other)}
    assert len(orders) == 4


def test_the_same_seed_gives_the_same_order() -> None:
    one, other = BatchSampler(50, 7, seed=1), BatchSampler(50, 7, seed=1)
    assert all((one.next() == other.next()).all() for _ in range(30))


@pytest.mark.parametrize("num_batches", [0, 1, 5, 14, 23])
def test_it_resumes_exactly_in_the_middle_of_an_epoch(num_batches: int) -> None:
    sampler = BatchSampler(40, 7, seed=3)
    for _ in range(num_batches):
        sampler.next()
    saved = json.loads(json.dumps(sampler.state()))
    expected = [sampler.next() for _ in range(20)]
    resumed = BatchSampler(40, 7, seed=3)
    resumed.restore(saved)
    for batch in expected:
        np.testing.assert_array_equal(resumed.next(), batch)


def test_epochs_are_counted() -> None:
    sampler = BatchSampler(10, 4, seed=0)
    counts = []
    for _ in range(6):
        sampler.next()
        counts.append(sampler.epoch)
    assert counts == [0, 0, 1, 1, 2, 2]


def test_a_position_in_other_data_is_refused() -> None:
    state = BatchSampler(40, 7, seed=3).state()
    with pytest.raises(DataError, match="num_items 40, now it is 41"):
        BatchSampler(41, 7, seed=3).restore(state)
    with pytest.raises(DataError, match="seed 3, now it is 4"):
        BatchSampler(40, 7, seed=4).restore(state)


def shares_of(num_items: int, batch_size: int, num_ranks: int) -> list[BatchSampler]:
    return [BatchSampler(num_items, batch_size, seed=5, rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]


@pytest.mark.parametrize(("num_items", "batch_size"), [(10, 4), (48, 12), (3, 24), (101, 12), (1, 4)])
@pytest.mark.parametrize("num_ranks", [1, 2, 4])
def test_the_ranks_together_get_the_batches_of_one_process(num_items: int, batch_size: int, num_ranks: int) -> None:
    alone = BatchSampler(num_items, batch_size, seed=5)
    ranks = shares_of(num_items, batch_size, num_ranks)
    for _ in range(3 * num_items):
        slices = [rank.next() for rank in ranks]
        assert {len(part) for part in slices} == {batch_size // num_ranks}
        np.testing.assert_array_equal(np.concatenate(slices), alone.next())
        assert len({rank.epoch for rank in ranks}) == 1


def test_the_shards_of_an_epoch_are_disjoint_and_equally_long() -> None:
    shards = [np.concatenate([rank.next() for _ in range(48 // 12)]) for rank in shares_of(48, 12, 4)]
    assert [len(shard) for shard in shards] == [12] * 4
    assert sorted(np.concatenate(shards)) == list(range(48))


@pytest.mark.parametrize("num_ranks_before", [1, 2, 3])
@pytest.mark.parametrize("num_ranks_after", [1, 2, 6])
def test_it_resumes_with_another_number_of_ranks(num_ranks_before: int, num_ranks_after: int) -> None:
    alone = BatchSampler(40, 12, seed=5)
    before = shares_of(40, 12, num_ranks_before)
    for sampler in (alone, *before):
        for _ in range(7):
            sampler.next()
    states = [sampler.state() for sampler in before]
    assert all(state == states[0] for state in states)
    after = shares_of(40, 12, num_ranks_after)
    for sampler in after:
        sampler.restore(json.loads(json.dumps(states[0])))
    for _ in range(10):
        np.testing.assert_array_equal(np.concatenate([sampler.next() for sampler in after]), alone.next())


@pytest.mark.parametrize(
    ("rank", "num_ranks", "message"), [(2, 2, "none of the 2"), (-1, 2, "none of the 2"), (0, 5, "12 cannot be shared")]
)
def test_ranks_that_cannot_be_are_refused(rank: int, num_ranks: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchSampler(40, 12, seed=0, rank=rank, num_ranks=num_ranks)
