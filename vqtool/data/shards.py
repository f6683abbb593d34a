"""The shard files of a frame store: one `.npy` each of frames, states and actions, row for row the same frames.

While a store is being written, frames files claim to hold no frame, and states and actions are raw float32 rows in
`.part` files, video after video, since the width that all shards share is known at the end only.
"""

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from vqtool.data import Frames

Rows: TypeAlias = NDArray[np.float32]
Contents = Literal["frames", "states", "actions"]
CONTENTS: tuple[Contents, ...] = get_args(Contents)
HEADER_BYTES = 128
"""Of a frames file: fixed, so that the number of frames can be filled in at the end."""

Span: TypeAlias = tuple[int, int, int]
"""A video's rows in a shard: the first one, how many, and how many columns are its own."""


@dataclass(frozen=True)
class ShardEnd:
    """How far a shard is written: frames, and the float32 values of states and of actions."""

    num_frames: int = 0
    num_state_values: int = 0
    num_action_values: int = 0

    def plus(self, num_frames: int, state_dim: int, action_dim: int) -> "ShardEnd":
        """The end after one more video."""
        return ShardEnd(
            self.num_frames + num_frames,
            self.num_state_values + num_frames * state_dim,
            self.num_action_values + num_frames * action_dim,
        )

    def file_bytes(self, number: int, size: int) -> dict[str, int]:
        """The sizes of the files that are being written, by name."""
        return {
            shard_file("frames", number): frames_file_bytes(self.num_frames, size),
            part_file("states", number): 4 * self.num_state_values,
            part_file("actions", number): 4 * self.num_action_values,
        }


def shard_file(contents: Contents, number: int) -> str:
    """The file name of a shard: `frames-00000.npy`."""
    return f"{contents}-{number:05d}.npy"


def part_file(contents: Contents, number: int) -> str:
    """The name of the raw rows of an unfinished store: `states-00000.part`."""
    return f"{contents}-{number:05d}.part"


def frames_file_bytes(num_frames: int, size: int) -> int:
    """The size of a frames file."""
    return HEADER_BYTES + num_frames * size * size * 3


class ShardWriter:
    """Appends to one shard, from `end` on, without a buffer; what lies beyond `end` is cut off."""

    def __init__(self, folder: Path, number: int, size: int, end: ShardEnd | None = None) -> None:
        self.number = number
        self.end = end or ShardEnd()
        self._size = size
        self._descriptors: list[int] = []
        for file in self.end.file_bytes(number, size):
            self._descriptors.append(os.open(folder / file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
        os.pwrite(self._descriptors[0], _header(0, size), 0)
        self._cut()

    def append(self, frames: Frames, states: Rows, actions: Rows) -> int:
        """Append uint8 frames (T, size, size, 3), states (T, S), actions (T, A); returns the first frame's position."""
        if frames.dtype != np.uint8 or frames.shape[1:] != (self._size, self._size, 3):
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, expected uint8 of size {self._size}")
        if not len(frames) == len(states) == len(actions):
            raise ValueError(f"{len(frames)} frames, {len(states)} states and {len(actions)} actions differ in length")
        contents = _bytes(frames), _bytes(_float32(states)), _bytes(_float32(actions))
        try:
            for descriptor, content in zip(self._descriptors, contents, strict=True):
                write_all(descriptor, content)
        except OSError:
            # On a full disk a part of a video would take the room that the journal needs.
            self._cut()
            raise
        start = self.end.num_frames
        self.end = self.end.plus(len(frames), states.shape[1], actions.shape[1])
        return start

    def _cut(self) -> None:
        for descriptor, num_bytes in zip(
            self._descriptors, self.end.file_bytes(self.number, self._size).values(), strict=True
        ):
            os.ftruncate(descriptor, num_bytes)
            os.lseek(descriptor, num_bytes, os.SEEK_SET)

    def sync(self) -> None:
        """Push what was appended to the disk."""
        for descriptor in self._descriptors:
            os.fsync(descriptor)

    def close(self) -> None:
        """Give up the files."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []


def complete_frames(folder: Path, number: int, size: int, num_frames: int) -> None:
    """Let the frames file say how many frames it holds; not yet on the disk."""
    with (folder / shard_file("frames", number)).open("r+b") as stream:
        stream.write(_header(num_frames, size))


def complete_rows(
    folder: Path, contents: Literal["states", "actions"], number: int, spans: Iterable[Span], width: int
) -> None:
    """Make the `.npy` file of states or actions from their raw rows, NaN where a video has no such column."""
    ordered = sorted(spans)
    last_start, last_length, _ = ordered[-1]
    rows = np.full((last_start + last_length, width), np.nan, dtype=np.float32)
    with (folder / part_file(contents, number)).open("rb") as stream:
        for start, length, columns in ordered:
            values = np.frombuffer(stream.read(4 * length * columns), dtype=np.float32)
            rows[start : start + length, :columns] = values.reshape(length, columns)
    with (folder / shard_file(contents, number)).open("wb") as stream:
        np.save(stream, rows, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write all of `content`; a full disk may take a part of it before it refuses the rest."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _float32(rows: Rows) -> Rows:
    return np.ascontiguousarray(rows, dtype=np.float32)


def _bytes(values: Frames | Rows) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def _header(num_frames: int, size: int) -> bytes:
    """Of `.npy` format 1.0."""
    fields = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({num_frames}, {size}, {size}, 3), }}"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER_BYTES - 10)
    return start + fields.ljust(HEADER_BYTES - len(start) - 1).encode() + b"\n"
