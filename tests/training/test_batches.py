"""The stream of batches: what a thread reads ahead changes neither the frames, nor the position, nor a message."""

import gc
import shutil
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vqtool.core.config import AugmentConfig
from vqtool.core.frames import to_model
from vqtool.data.sampler import BatchSampler
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows
from vqtool.errors import DataError
from vqtool.training.batches import Batches

CPU = torch.device("cpu")
ALL = AugmentConfig(flip=0.5, min_crop=0.5, brightness=0.3, contrast=0.3, saturation=0.3)


@pytest.fixture
def windows(small_store: Path) -> Windows:
    return Windows(FrameStore.open(small_store), "train", 2, 1)


def read(batches: Batches, count: int) -> list[Tensor]:
    return [batches.next().clone() for _ in range(count)]


def let_it_read_ahead(batches: Batches) -> None:
    """Wait until the thread has nothing to do."""
    batches._thread.submit(int).result()


def test_the_position_is_that_of_the_batches_given_out(windows: Windows) -> None:
    batches, sampler = Batches(windows, 3, 5, CPU), BatchSampler(len(windows), 3, 5)
    assert batches.state() == sampler.state()
    for _ in range(5):
        assert torch.equal(batches.next(), to_model(windows.gather(sampler.next()), CPU))
        let_it_read_ahead(batches)
        assert batches.state() == sampler.state()


def test_going_back_forgets_the_batch_that_was_read_ahead(windows: Windows) -> None:
    batches = Batches(windows, 3, 5, CPU, ALL)
    start = batches.state()
    first = read(batches, 4)
    let_it_read_ahead(batches)
    middle = batches.state()
    rest = read(batches, 3)
    for state, expected in ((middle, rest), (start, [*first, *rest]), (middle, rest)):
        batches.restore(state)
        assert batches.state() == state
        assert all(
            torch.equal(batch, again) for batch, again in zip(expected, read(batches, len(expected)), strict=True)
        )


def test_batches_that_somebody_holds_are_not_written_over(windows: Windows) -> None:
    batches = Batches(windows, 3, 5, CPU, ALL)
    held = [batches.next() for _ in range(5)]
    kept = [batch.clone() for batch in held]
    read(batches, 3)
    assert all(torch.equal(batch, copy) for batch, copy in zip(held, kept, strict=True))


def test_autocast_around_a_step_does_not_reach_its_data(windows: Windows) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (under,) = read(Batches(windows, 3, 5, CPU, ALL), 1)
    assert torch.equal(under, *read(Batches(windows, 3, 5, CPU, ALL), 1))


def test_the_clips_that_can_be_named_are_those_given_out(windows: Windows) -> None:
    batches, sampler = Batches(windows, 3, 5, CPU), BatchSampler(len(windows), 3, 5)
    read(batches, 2)
    let_it_read_ahead(batches)
    given = [windows.name_of(int(index)) for _ in range(2) for index in sampler.next()]
    assert batches.clip_names(2) == given and batches.clip_names(1) == given[3:]


def test_what_goes_wrong_while_reading_ahead_is_raised_by_the_batch_that_needs_it(
    small_store: Path, tmp_path: Path
) -> None:
    store = FrameStore.open(shutil.copytree(small_store, tmp_path / "store"))
    for shard in store.path.glob("frames-*.npy"):
        shard.unlink()
    batches = Batches(Windows(store, "train", 2, 1), 3, 5, CPU)
    start = batches.state()
    messages = set()
    for _ in range(2):
        with pytest.raises(DataError) as raised:
            batches.next()
        messages.add(str(raised.value))
    assert len(messages) == 1 and batches.state() == start and batches.clip_names(1) == []
    batches.restore(start)  # what went wrong before is no reason not to go on


def test_the_thread_leaves_the_cores_to_others_and_ends_with_its_stream(windows: Windows) -> None:
    num_threads, before = torch.get_num_threads(), set(threading.enumerate())
    torch.set_num_threads(2)
    try:
        batches = Batches(windows, 3, 5, CPU, ALL)
        (thread,) = set(threading.enumerate()) - before
        read(batches, 2)
        assert batches._thread.submit(torch.get_num_threads).result() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(num_threads)
    del batches
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
