"""Windows of equal length over the videos of a split, gathered a batch at a time from the memory-mapped store."""

import copy
from typing import Self

import numpy as np

from vqtool.data import Frames
from vqtool.data.selection import Selection
from vqtool.data.store import Clip, FrameStore, Split
from vqtool.data.window_index import Indices, WindowIndex
from vqtool.errors import DataError


class Windows:
    """Every window of `clip_frames` frames, `stride` apart, inside each video of a split, numbered from 0.

    Windows start at every `step`-th frame of a video, so with `step=1` every frame is in some window. They are in the
    order of the store. Memory grows with the number of videos, not of windows.

    Raises:
        DataError: the split has no video long enough; names the longest and the settings to change.
    """

    def __init__(
        self,
        store: FrameStore,
        split: Split,
        clip_frames: int,
        stride: int,
        step: int = 1,
        settings: str = "data.clip_frames or data.stride",
    ) -> None:
        self.store = store
        self.split = split
        self.clip_frames = clip_frames
        self.stride = stride
        span = (clip_frames - 1) * stride + 1
        self._offsets = np.arange(clip_frames) * stride
        clips = store.split(split)
        self._clips = [clip for clip in clips if clip.length >= span]
        if not self._clips:
            raise DataError(_no_window(store, split, clips, span, settings))
        self._shards = np.array([clip.shard for clip in self._clips], dtype=np.int64)
        self._rows = np.array([clip.start for clip in self._clips], dtype=np.int64)
        self._index = WindowIndex([clip.length for clip in self._clips], span, step)
        self._chosen: Indices | None = None

    def __len__(self) -> int:
        return len(self._index) if self._chosen is None else len(self._chosen)

    def thinned(self, num_windows: int) -> Self:
        """`num_windows` of these windows, evenly spread; all of them where there are no more than that, or for 0."""
        if 0 < num_windows < len(self):
            centres = (np.arange(num_windows) * 2 + 1) * len(self) // (2 * num_windows)
            thin = copy.copy(self)
            thin._chosen = centres if self._chosen is None else self._chosen[centres]
            return thin
        return self

    def gather(self, indices: Indices) -> Frames:
        """The windows `indices` (B,), as uint8 RGB (B, T, H, W, 3).

        Raises:
            IndexError: an index outside 0 .. len - 1.
            DataError: a shard is gone or damaged.
        """
        return self.select(indices)[:]

    def select(self, indices: Indices) -> Selection:
        """The windows `indices` (B,), read where slices of the result are taken.

        Raises:
            IndexError: an index outside 0 .. len - 1.
        """
        videos, starts = self._locate(np.asarray(indices, dtype=np.int64))
        rows = (self._rows[videos] + starts)[:, None] + self._offsets
        return Selection(self.store, self._shards[videos], rows)

    def clip_of(self, index: int) -> Clip:
        """The video that a window lies in."""
        videos, _ = self._locate(np.array([index], dtype=np.int64))
        return self._clips[int(videos[0])]

    def start_of(self, index: int) -> int:
        """The first frame of a window, counted in its video."""
        _, starts = self._locate(np.array([index], dtype=np.int64))
        return int(starts[0])

    def name_of(self, index: int) -> str:
        """`clip@start`: names one window in reports, previews and alarms."""
        return f"{self.clip_of(index).clip}@{self.start_of(index)}"

    def _locate(self, indices: Indices) -> tuple[Indices, Indices]:
        """The video and the first frame in it of each window."""
        if len(indices) and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"window {indices.min()} to {indices.max()} of {len(self)}")
        return self._index.locate(indices if self._chosen is None else self._chosen[indices])


def evaluation_windows(
    store: FrameStore, split: Split, clip_frames: int, num_windows: int = 0, settings: str = "eval.clip_frames"
) -> Windows:
    """Consecutive windows that do not overlap, from the first frame of every video on; always the same ones.

    The frames at the end of a video that fill no whole window are left out. `num_windows` keeps that many of them,
    evenly spread over the split; 0 keeps all. `settings` is what a message says to change.

    Raises:
        DataError: the split has no video long enough.
    """
    return Windows(store, split, clip_frames, 1, step=clip_frames, settings=settings).thinned(num_windows)


def _no_window(store: FrameStore, split: Split, clips: list[Clip], span: int, settings: str) -> str:
    if not clips:
        advice = "" if split == "train" else f": preprocess again with --{split} 1 or more"
        return f"split {split!r} of {store.path} is empty{advice}"
    longest = max(clips, key=lambda clip: clip.length)
    return (
        f"no video of split {split!r} in {store.path} has the {span} frames of a clip "
        f"(the longest, {longest.clip}, has {longest.length}): set {settings} lower"
    )
