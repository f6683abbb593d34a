"""OpenCV is the reference: INTER_AREA where the frame gets fewer pixels, INTER_CUBIC otherwise."""

import cv2
import numpy as np
import pytest

from vqtool.data.resize import resize, resize_square


def reference(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    shrinks = height * width < frames.shape[1] * frames.shape[2]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.stack([cv2.resize(frame, (width, height), interpolation=method) for frame in frames])


def largest_difference(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize(
    "old",
    [(240, 320), (128, 128), (192, 192), (256, 256), (64, 64), (48, 64), (32, 32), (16, 24), (481, 641)],
)
def test_usual_sizes_give_exactly_the_pixels_of_opencv(old: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, *old, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(frames, 64, 64), reference(frames, 64, 64))


def test_any_size_is_within_one_grey_level_of_opencv() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        old, new = rng.integers(1, 150, 2), rng.integers(1, 100, 2)
        frames = rng.integers(0, 256, (1, *old, 3), dtype=np.uint8)
        difference = largest_difference(resize(frames, *new), reference(frames, *new))
        assert difference <= 1, f"{old} -> {new}: {difference}"


def test_one_axis_may_grow_while_the_other_shrinks() -> None:
    for old, new in [((31, 200), (64, 64)), ((200, 31), (64, 64)), ((65, 32), (25, 80)), ((148, 69), (88, 87))]:
        frames = np.random.default_rng(2).integers(0, 256, (2, *old, 3), dtype=np.uint8)
        assert largest_difference(resize(frames, *new), reference(frames, *new)) <= 1


def test_cubic_overshoot_is_clipped_not_wrapped() -> None:
    edge = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    edge[:, :, 4:] = 255
    grown = resize(edge, 32, 32)
    assert largest_difference(grown, reference(edge, 32, 32)) <= 1
    assert set(np.unique(grown[0, :, [0, -1]])) == {0, 255}


def test_the_same_size_changes_nothing() -> None:
    frames = np.random.default_rng(3).integers(0, 256, (2, 17, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(resize(frames, 17, 9), frames)


def test_frames_in_any_memory_order_give_the_same() -> None:
    frames = np.random.default_rng(4).integers(0, 256, (2, 60, 50, 3), dtype=np.uint8)
    flipped = frames[:, ::-1, :, ::-1]
    np.testing.assert_array_equal(resize(flipped, 16, 16), resize(np.ascontiguousarray(flipped), 16, 16))


def random_frames(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (2, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("old", "rows", "columns"),
    [
        ((48, 64), (0, 48), (8, 56)),
        ((64, 48), (8, 56), (0, 48)),
        ((240, 320), (0, 240), (40, 280)),
        ((5, 8), (0, 5), (1, 6)),
        ((9, 9), (0, 9), (0, 9)),
    ],
)
def test_crop_is_the_square_at_the_centre(
    old: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    frames = random_frames(*old)
    cut = np.ascontiguousarray(frames[:, slice(*rows), slice(*columns)])
    assert largest_difference(resize_square(frames, 32, "crop"), reference(cut, 32, 32)) <= 1


@pytest.mark.parametrize(
    ("old", "rows", "columns"),
    [
        ((48, 64), (8, 56), (0, 64)),
        ((64, 48), (0, 64), (8, 56)),
        ((272, 640), (18, 45), (0, 64)),
        ((277, 640), (18, 46), (0, 64)),
        ((7, 7), (0, 64), (0, 64)),
        ((1, 900), (31, 32), (0, 64)),
    ],
)
def test_pad_keeps_the_aspect_ratio_between_black_bars(
    old: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    frames = random_frames(*old)
    expected = np.zeros((2, 64, 64, 3), dtype=np.uint8)
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    expected[:, slice(*rows), slice(*columns)] = reference(frames, height, width)
    assert largest_difference(resize_square(frames, 64, "pad"), expected) <= 1


def test_squash_is_plain_resizing() -> None:
    frames = random_frames(30, 50)
    np.testing.assert_array_equal(resize_square(frames, 32, "squash"), resize(frames, 32, 32))
