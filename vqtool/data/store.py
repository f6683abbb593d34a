"""The frame store: its layout, and reading it. See docs/formats.md for the files.

A store is a folder of `clips.csv` (a row a camera video), shards of frames, states and actions, and `dataset.json`,
which is written last: a folder without it is incomplete.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import TypeAdapter, ValidationError

from vqtool.core.atomic import explained_refusals
from vqtool.data import Frames
from vqtool.data.shards import frames_file_bytes, shard_file
from vqtool.data.skipped import Skipped
from vqtool.errors import DataError

VERSION = 1
DATASET_FILE = "dataset.json"
CLIPS_FILE = "clips.csv"
UNFINISHED_FILE = "unfinished.json"
"""Present, and locked, while a store is being written."""

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Clip:
    """One camera video of a trajectory: a row of `clips.csv`.

    Its frames are `start` to `start + length` of shard number `shard`. `source` is the file it came from, relative to
    the input folder; `state_dim` and `action_dim` are the columns of the shard's states and actions that are its own.
    """

    clip: str
    trajectory: str
    camera: str
    robot: str
    split: Split
    shard: int
    start: int
    length: int
    state_dim: int
    action_dim: int
    source: str


@dataclass(frozen=True)
class SplitCounts:
    """What a split holds."""

    trajectories: int
    clips: int
    frames: int


@dataclass(frozen=True)
class Shard:
    """A shard's number of frames and the SHA-256 of each of its files, by file name."""

    frames: int
    sha256: dict[str, str]


@dataclass(frozen=True)
class StoreInfo:
    """`dataset.json`.

    `size` is the height and width of a frame in pixels; `mean` and `std` are those of the train split's channels
    (R, G, B) in [0, 1]; `source` is the kind of the raw videos; `state_dim` and `action_dim` the widest of any clip;
    `settings` what else decided on the frames: `fit`, and `cameras`, `fps`, `stride`, `max_frames` where they were set.
    """

    version: int
    vqtool_version: str
    source: str
    size: int
    min_frames: int
    seed: int
    split_rule: str
    splits: dict[Split, SplitCounts]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    state_dim: int
    action_dim: int
    shards: tuple[Shard, ...]
    clips_sha256: str
    skipped: tuple[Skipped, ...]
    settings: dict[str, str | int | float] = field(default_factory=dict)


class FrameStore:
    """A complete frame store, memory-mapped: opening it reads the index, and frames only when asked for."""

    def __init__(self, path: Path, info: StoreInfo, clips: tuple[Clip, ...]) -> None:
        self.path = path
        self.info = info
        self.clips = clips
        self._shards: dict[int, Frames] = {}

    @classmethod
    def open(cls, path: Path) -> "FrameStore":
        """Open the store in the folder `path`.

        Raises:
            DataError: missing, incomplete, foreign or damaged; says what to run.
        """
        info = read_info(path)
        for number, shard in enumerate(info.shards):
            _check_size(path / shard_file("frames", number), frames_file_bytes(shard.frames, info.size))
        return cls(path, info, read_clips(path, info))

    @cached_property
    def robots(self) -> tuple[str, ...]:
        """The robots in the store, sorted."""
        return tuple(sorted({clip.robot for clip in self.clips}))

    def split(self, name: Split) -> list[Clip]:
        """The clips of one split, in the order of the store."""
        return [clip for clip in self.clips if clip.split == name]

    def read(self, clip: Clip, start: int = 0, stop: int | None = None) -> Frames:
        """Frames `start` to `stop` (default: all) of a clip, a copy, uint8 RGB (T, H, W, 3)."""
        first, last, _ = slice(start, stop).indices(clip.length)
        return np.array(self.shard(clip.shard)[clip.start + first : clip.start + last])

    def shard(self, number: int) -> Frames:
        """All frames of a shard, memory-mapped, read-only.

        Raises:
            DataError: the file is gone or damaged.
        """
        if number not in self._shards:
            self._shards[number] = self._map(number)
        return self._shards[number]

    def lost_file(self) -> str | None:
        """Which file of frames is gone or has another size than when the store was opened; None where all are there."""
        for number, shard in enumerate(self.info.shards):
            file = self.path / shard_file("frames", number)
            try:
                size = file.stat().st_size
            except OSError as error:
                return f"{file}: {error.strerror or error}"
            expected = frames_file_bytes(shard.frames, self.info.size)
            if size != expected:
                return f"{file}: it has {size:,} bytes, expected {expected:,}"
        return None

    def _map(self, number: int) -> Frames:
        file = self.path / shard_file("frames", number)
        try:
            with explained_refusals(DataError):
                frames = np.lib.format.open_memmap(file, mode="r")
        except (OSError, ValueError) as error:
            raise _damaged(file, str(error)) from error
        expected = (self.info.shards[number].frames, self.info.size, self.info.size, 3)
        if frames.shape != expected or frames.dtype != np.uint8:
            raise _damaged(file, f"it holds {frames.dtype} {frames.shape}, expected uint8 {expected}")
        return np.asarray(frames)


def is_complete(path: Path) -> bool:
    """Whether `path` holds a finished store."""
    return (path / DATASET_FILE).is_file()


def read_info(path: Path) -> StoreInfo:
    """The `dataset.json` of the store in the folder `path`.

    Raises:
        DataError: missing, incomplete, foreign or damaged; says what to run.
    """
    file = path / DATASET_FILE
    advice = f"make one with: vqtool preprocess --input FOLDER --output {path}"
    if not path.is_dir():
        raise DataError(f"no frame store {path}: there is no such folder; {advice}")
    if not file.is_file():
        if (path / UNFINISHED_FILE).is_file():
            raise DataError(f"the frame store {path} is incomplete: run the vqtool preprocess that writes it again")
        raise DataError(f"{path} is not a frame store: it has no {DATASET_FILE}; {advice}")
    try:
        with explained_refusals(DataError):
            content = file.read_bytes()
        version = TypeAdapter(dict[str, Any]).validate_json(content).get("version")
        if not isinstance(version, int):
            raise DataError(f"{path} is not a frame store: its {DATASET_FILE} is not one of vqtool's; {advice}")
        if version != VERSION:
            raise DataError(
                f"{path} has frame store version {version!r}; this vqtool reads version {VERSION}: preprocess again"
            )
        return TypeAdapter(StoreInfo).validate_json(content)
    except (OSError, ValidationError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise _damaged(file, detail) from error


def read_clips(path: Path, info: StoreInfo) -> tuple[Clip, ...]:
    """The `clips.csv` of a store; every clip lies inside its shard.

    Raises:
        DataError: missing, damaged, or not the clips that `info` counts.
    """
    file = path / CLIPS_FILE
    try:
        with explained_refusals(DataError), file.open(encoding="utf-8", newline="") as stream:
            clips = tuple(_parse_clips(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise _damaged(file, str(error)) from error
    for clip in clips:
        known = 0 <= clip.shard < len(info.shards) and clip.start >= 0 and clip.length > 0
        if not known or clip.start + clip.length > info.shards[clip.shard].frames:
            raise _damaged(file, f"the row of {clip.clip} lies outside the shards")
    if count_splits(clips) != info.splits:
        raise _damaged(file, f"its clips are not those that {DATASET_FILE} counts")
    return clips


def _parse_clips(lines: Iterable[str]) -> Iterator[Clip]:
    rows = csv.reader(lines, strict=True)
    if next(rows, None) != list(Clip.__dataclass_fields__):
        raise ValueError("its columns are not those of a frame store")
    yield from map(parse_clip, rows)


def parse_clip(row: Sequence[str]) -> Clip:
    """A row of `clips.csv`.

    Raises:
        ValueError: another number of columns, or a value that cannot be one.
    """
    clip, trajectory, camera, robot, split, shard, start, length, state_dim, action_dim, source = row
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}")
    place = int(shard), int(start), int(length), int(state_dim), int(action_dim)
    return Clip(clip, trajectory, camera, robot, split, *place, source)


def count_splits(clips: Sequence[Clip]) -> dict[Split, SplitCounts]:
    """Trajectories, clips and frames of each split."""
    counts: dict[Split, SplitCounts] = {}
    for split in SPLITS:
        mine = [clip for clip in clips if clip.split == split]
        trajectories = len({clip.trajectory for clip in mine})
        counts[split] = SplitCounts(trajectories, len(mine), sum(clip.length for clip in mine))
    return counts


def file_sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with explained_refusals(DataError), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_size(file: Path, expected: int) -> None:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise _damaged(file, error.strerror or str(error)) from error
    if size != expected:
        raise _damaged(file, f"it has {size:,} bytes, expected {expected:,}")


def _damaged(file: Path, detail: str) -> DataError:
    return DataError(f"the frame store is damaged: {file}: {detail}; remove {file.parent} and preprocess again")
