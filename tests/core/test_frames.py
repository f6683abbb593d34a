"""Frames to the model and back: exact, in every memory layout."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vqtool.core.frames import BLOCK_VALUES, to_model, to_uint8

CPU = torch.device("cpu")


def random_frames(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (5, 3, 64, 64), (2, 1, 257, 129)])
def test_scaling_is_that_of_plain_float32_arithmetic(shape: tuple[int, ...]) -> None:
    frames = random_frames(*shape)
    expected = torch.from_numpy(frames).movedim(-1, 2).to(torch.float32).div(127.5).sub(1)
    scaled = to_model(frames, CPU)
    assert torch.equal(scaled, expected)
    assert scaled.dtype == torch.float32 and scaled.stride() == expected.stride()


def test_the_largest_of_those_shapes_needs_several_blocks_and_a_rest() -> None:
    assert BLOCK_VALUES < 5 * 3 * 64 * 64 * 3 and 2 * 257 * 129 * 3 % BLOCK_VALUES


def test_a_view_with_gaps_is_scaled_like_its_copy() -> None:
    frames = random_frames(6, 4, 8, 8)[::2, ::-1, :, 2:6]
    assert torch.equal(to_model(frames, CPU), to_model(frames.copy(), CPU))


def test_the_way_to_the_model_and_back_changes_no_grey_level() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 1, 16, 16, 3)
    scaled = to_model(levels, CPU)
    assert (scaled.min().item(), scaled.max().item()) == (-1.0, 1.0)
    assert np.array_equal(to_uint8(scaled), levels)
