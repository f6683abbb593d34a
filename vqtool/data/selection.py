"""Clips chosen from the shards of a store, read a few at a time."""

import numpy as np

from vqtool.data import Frames
from vqtool.data.store import FrameStore
from vqtool.data.window_index import Indices


class Selection:
    """Clips of equally many frames, uint8 RGB (B, T, H, W, 3), that are read where a slice of them is taken.

    `shards` (B,) and `rows` (B, T) say where their frames lie. Clips of one shard are gathered by one call: to make a
    view of every frame takes as long as to copy it.
    """

    def __init__(self, store: FrameStore, shards: Indices, rows: Indices) -> None:
        self._store = store
        self._shards = shards
        self._rows = rows

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, T, H, W, 3)."""
        size = self._store.info.size
        return *self._rows.shape, size, size, 3

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, chosen: slice) -> Frames:
        """Some of the clips, a copy.

        Raises:
            DataError: a shard is gone or damaged.
        """
        rows, shards = self._rows[chosen], self._shards[chosen].tolist()
        if len(set(shards)) == 1:
            return np.take(self._store.shard(shards[0]), rows, axis=0)
        clips: Frames = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        for clip, number, its_rows in zip(clips, shards, rows, strict=True):
            # Every row is there; NumPy would gather into a buffer first where it has to check.
            np.take(self._store.shard(number), its_rows, axis=0, out=clip, mode="clip")
        return clips
