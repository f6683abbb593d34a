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
