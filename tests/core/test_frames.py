"""Frames to the model and back: exact, in every memory layout."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vqtool.core.frames import FrameMemory, to_model, to_uint8

CPU = torch.device("cpu")


def random_frames(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (5, 3, 64, 64), (2, 1, 257, 129)])
def test_scaling_is_right_to_the_last_digit_of_float32(shape: tuple[int, ...]) -> None:
    frames = random_frames(*shape)
    expected = torch.from_numpy(frames).movedim(-1, 2).to(torch.float64).div(127.5).sub(1)
    scaled = to_model(frames, CPU)
    torch.testing.assert_close(scaled.double(), expected, rtol=0, atol=2**-23)
    assert scaled.dtype == torch.float32 and scaled.stride() == expected.stride()


def test_a_view_with_gaps_is_scaled_like_its_copy() -> None:
    frames = random_frames(6, 4, 8, 8)[::2, ::-1, :, 2:6]
    assert torch.equal(to_model(frames, CPU), to_model(frames.copy(), CPU))


def test_the_way_to_the_model_and_back_changes_no_grey_level() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 1, 16, 16, 3)
    scaled = to_model(levels, CPU)
    assert (scaled.min().item(), scaled.max().item()) == (-1.0, 1.0)
    assert np.array_equal(to_uint8(scaled), levels)


def test_the_memory_of_a_batch_is_used_again_only_once_nobody_holds_it() -> None:
    memory = FrameMemory()
    first, second = random_frames(2, 1, 8, 8), 255 - random_frames(2, 1, 8, 8)
    held = to_model(first, CPU, memory)
    other = to_model(second, CPU, memory)
    assert torch.equal(held, to_model(first, CPU)) and torch.equal(other, to_model(second, CPU))

    address = other.data_ptr()
    one_frame = other[1, 0]
    del other
    assert to_model(first, CPU, memory).data_ptr() != address, "a part of it is in use"
    assert torch.equal(one_frame, to_model(second, CPU)[1, 0])

    address = to_model(first, CPU, memory).data_ptr()
    again = to_model(second, CPU, memory)
    assert again.data_ptr() == address
    assert torch.equal(again, to_model(second, CPU))


def test_the_memory_that_was_used_last_is_taken_first_and_three_are_kept() -> None:
    memory = FrameMemory()
    batches = [to_model(random_frames(2, 1, 8, 8), CPU, memory) for _ in range(4)]
    addresses = [batch.data_ptr() for batch in batches]
    assert len(set(addresses)) == 4
    batches.clear()
    taken = [to_model(random_frames(2, 1, 8, 8), CPU, memory) for _ in range(3)]
    assert [batch.data_ptr() for batch in taken] == addresses[:0:-1]


def test_what_autograd_saved_of_a_batch_is_not_overwritten() -> None:
    memory = FrameMemory()
    weight = torch.tensor(2.0, requires_grad=True)
    product = (to_model(random_frames(1, 1, 4, 4), CPU, memory) * weight).sum()
    to_model(255 - random_frames(1, 1, 4, 4), CPU, memory)
    product.backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, to_model(random_frames(1, 1, 4, 4), CPU).sum())


def test_batches_of_another_size_get_memory_of_their_own() -> None:
    memory = FrameMemory()
    for num_clips in (2, 3, 1, 3):
        frames = random_frames(num_clips, 2, 4, 4)
        assert torch.equal(to_model(frames, CPU, memory), to_model(frames, CPU))
