"""Selections: any slice of them holds the frames that were chosen, of one shard or of several."""

import numpy as np
import pytest
import torch
from numbered import frame_numbers

from vqtool.core.frames import to_model
from vqtool.data.selection import Selection
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows


def frames_one_by_one(store: FrameStore, shards: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.array(
        [[store.shard(shard)[row] for row in mine] for shard, mine in zip(shards.tolist(), rows.tolist(), strict=True)]
    )


@pytest.mark.parametrize("num_shards", [1, 3])
def test_every_slice_holds_the_frames_that_were_chosen(numbered_store: FrameStore, num_shards: int) -> None:
    assert len(numbered_store.info.shards) >= num_shards
    rng = np.random.default_rng(0)
    shards = rng.integers(0, num_shards, 20)
    rows = np.array([rng.integers(0, len(numbered_store.shard(shard)), 4) for shard in shards.tolist()])
    selection, expected = Selection(numbered_store, shards, rows), frames_one_by_one(numbered_store, shards, rows)
    assert selection.shape == expected.shape and len(selection) == 20
    for chosen in (slice(None), slice(3, 9), slice(18, 40), slice(0, 20, 7), slice(19, 20)):
        assert np.array_equal(selection[chosen], expected[chosen])
    assert selection[5:5].shape == (0, *expected.shape[1:])


def test_the_model_gets_the_same_of_a_selection_and_of_its_frames(numbered_store: FrameStore) -> None:
    windows = Windows(numbered_store, "train", 3, 2)
    indices = np.random.default_rng(1).permutation(len(windows))
    assert len(set(windows._shards.tolist())) > 1
    scaled = to_model(windows.select(indices), torch.device("cpu"))
    assert torch.equal(scaled, to_model(windows.gather(indices), torch.device("cpu")))


def test_what_is_read_is_a_copy(numbered_store: FrameStore) -> None:
    selection = Windows(numbered_store, "train", 2, 1).select(np.array([0]))
    selection[:][:] = 255
    assert frame_numbers(selection[:]).tolist() == [[0, 1]]


def test_no_window_gives_no_frame(numbered_store: FrameStore) -> None:
    assert Windows(numbered_store, "train", 2, 1).gather(np.array([], dtype=np.int64)).shape == (0, 2, 8, 8, 3)
