"""Windows: every frame can be reached, and every window holds the frames it says."""

import numpy as np
import pytest
from numbered import frame_numbers

from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows, evaluation_windows
from vqtool.errors import DataError

FIRST = {"a/cam0": 0, "a/cam1": 14, "b/cam0": 23, "c/cam0": 63, "d/cam0": 66, "e/cam0": 86}
"""The number of each clip's first frame."""
TRAIN = set(range(63)) | set(range(66, 86))


@pytest.mark.parametrize(("clip_frames", "stride"), [(1, 1), (5, 1), (3, 4), (9, 1)])
def test_windows_are_those_of_a_plain_enumeration(numbered_store: FrameStore, clip_frames: int, stride: int) -> None:
    windows = Windows(numbered_store, "train", clip_frames, stride)
    span = (clip_frames - 1) * stride
    expected = [
        [FIRST[clip.clip] + start + step * stride for step in range(clip_frames)]
        for clip in numbered_store.split("train")
        for start in range(clip.length - span)
    ]
    assert len(windows) == len(expected)
    gathered = windows.gather(np.arange(len(windows)))
    assert gathered.dtype == np.uint8 and gathered.shape[1:] == (clip_frames, 8, 8, 3)
    assert frame_numbers(gathered).tolist() == expected


def test_every_frame_of_a_video_as_long_as_a_clip_is_in_some_window(numbered_store: FrameStore) -> None:
    windows = Windows(numbered_store, "train", clip_frames=9, stride=1)
    assert set(frame_numbers(windows.gather(np.arange(len(windows)))).ravel()) == TRAIN
    windows = Windows(numbered_store, "train", clip_frames=12, stride=1)
    reached = set(frame_numbers(windows.gather(np.arange(len(windows)))).ravel())
    too_short = set(range(14, 23))
    assert reached == TRAIN - too_short


def test_a_batch_may_be_in_any_order_and_repeat(numbered_store: FrameStore) -> None:
    windows = Windows(numbered_store, "train", 4, 2)
    indices = np.random.default_rng(0).integers(0, len(windows), 200)
    batch = windows.gather(indices)
    for index, window in zip(indices, batch, strict=True):
        clip, start = windows.clip_of(int(index)), windows.start_of(int(index))
        assert frame_numbers(window).tolist() == [FIRST[clip.clip] + start + 2 * step for step in range(4)]
        assert start + 3 * 2 < clip.length


def test_an_index_outside_is_refused(numbered_store: FrameStore) -> None:
    windows = Windows(numbered_store, "val", 1, 1)
    assert len(windows) == 14
    for index in (-1, 14):
        with pytest.raises(IndexError):
            windows.gather(np.array([0, index]))


def test_evaluation_windows_cover_each_video_without_overlap(numbered_store: FrameStore) -> None:
    windows = evaluation_windows(numbered_store, "train", clip_frames=6)
    numbers = frame_numbers(windows.gather(np.arange(len(windows)))).tolist()
    starts = [0, 6, 14, 23, 29, 35, 41, 47, 53, 66, 72, 78]
    assert numbers == [list(range(start, start + 6)) for start in starts]


def test_thinned_evaluation_windows_are_spread_and_always_the_same(numbered_store: FrameStore) -> None:
    windows = evaluation_windows(numbered_store, "train", 6, num_windows=4)
    assert len(windows) == 4
    firsts = frame_numbers(windows.gather(np.arange(4)))[:, 0].tolist()
    assert firsts == [6, 29, 47, 72]
    assert [windows.clip_of(index).clip for index in range(4)] == ["a/cam0", "b/cam0", "b/cam0", "d/cam0"]
    assert [windows.start_of(index) for index in range(4)] == [6, 6, 24, 6]


@pytest.mark.parametrize("num_windows", [0, 12, 500])
def test_no_more_windows_than_there_are(numbered_store: FrameStore, num_windows: int) -> None:
    assert len(evaluation_windows(numbered_store, "train", 6, num_windows)) == 12


def test_clips_longer_than_every_video_name_the_longest_and_the_setting(numbered_store: FrameStore) -> None:
    with pytest.raises(DataError, match=r"41 frames.*b/cam0, has 40.*data\.clip_frames or data\.stride"):
        Windows(numbered_store, "train", 11, 4)
    with pytest.raises(DataError, match=r"12 frames.*e/cam0, has 11.*set eval\.clip_frames lower"):
        evaluation_windows(numbered_store, "val", 12)


def test_an_empty_split_says_how_to_fill_it(numbered_store: FrameStore) -> None:
    with pytest.raises(DataError, match=r"'test'.*empty: preprocess again with --test"):
        evaluation_windows(numbered_store, "test", 1)


def test_a_message_names_the_option_that_its_command_has(numbered_store: FrameStore) -> None:
    with pytest.raises(DataError, match="set --clip-frames lower"):
        evaluation_windows(numbered_store, "train", 1000, settings="--clip-frames")
