"""The shard files of a frame store: one `.npy` each of frames, states and actions, row for row the same frames."""

import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from vqtool.data import Frames

Rows: TypeAlias = NDArray[np.float32]
Contents = Literal["frames", "states", "actions"]
CONTENTS: tuple[Contents, ...] = get_args(Contents)
HEADER_BYTES = 128
"""Of a frames file: fixed, so that the number of frames can be filled in when the shard is closed."""


def shard_file(contents: Contents, number: int) -> str:
    """The file name of a shard: `frames-00000.npy`."""
    return f"{contents}-{number:05d}.npy"


def frames_file_bytes(num_frames: int, size: int) -> int:
    """The size of a frames file."""
    return HEADER_BYTES + num_frames * size * size * 3


class ShardWriter:
    """Appends to one shard; its frames file claims to hold no frame until it is closed."""

    def __init__(self, folder: Path, number: int, size: int) -> None:
        self.number = number
        self.num_frames = 0
        self._folder = folder
        self._size = size
        self._states: list[Rows] = []
        self._actions: list[Rows] = []
        self._stream = (folder / shard_file("frames", number)).open("wb")
        self._stream.write(_header(0, size))
        self._stream.flush()

    def append(self, frames: Frames, states: Rows, actions: Rows) -> int:
        """Append uint8 frames (T, size, size, 3), states (T, S), actions (T, A); returns the first frame's position."""
        if frames.dtype != np.uint8 or frames.shape[1:] != (self._size, self._size, 3):
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, expected uint8 of size {self._size}")
        if not len(frames) == len(states) == len(actions):
            raise ValueError(f"{len(frames)} frames, {len(states)} states and {len(actions)} actions differ in length")
        self._stream.write(np.ascontiguousarray(frames).data)
        self._states.append(states)
        self._actions.append(actions)
        start = self.num_frames
        self.num_frames += len(frames)
        return start

    def close(self) -> None:
        """Complete the three files and push them to the disk."""
        _save(self._folder / shard_file("states", self.number), _stack(self._states))
        _save(self._folder / shard_file("actions", self.number), _stack(self._actions))
        self._states, self._actions = [], []
        self._stream.seek(0)
        self._stream.write(_header(self.num_frames, self._size))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def abandon(self) -> None:
        """Give up the file handle; what was not written stays unwritten."""
        with suppress(OSError):
            self._stream.close()


def widen(file: Path, width: int) -> None:
    """Rewrite a states or actions file so that it has `width` columns, the new ones NaN."""
    rows: Rows = np.load(file, allow_pickle=False)
    if rows.shape[1] < width:
        _save(file, _pad(rows, width))


def _stack(blocks: list[Rows]) -> Rows:
    width = max(block.shape[1] for block in blocks)
    return np.concatenate([_pad(block, width) for block in blocks])


def _pad(rows: Rows, width: int) -> Rows:
    return np.pad(rows.astype(np.float32), ((0, 0), (0, width - rows.shape[1])), constant_values=np.nan)


def _save(file: Path, rows: Rows) -> None:
    with file.open("wb") as stream:
        np.save(stream, rows, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())


def _header(num_frames: int, size: int) -> bytes:
    """Of `.npy` format 1.0."""
    fields = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({num_frames}, {size}, {size}, 3), }}"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER_BYTES - 10)
    return start + fields.ljust(HEADER_BYTES - len(start) - 1).encode() + b"\n"
