"""Writing a frame store: videos appended to shards of bounded size, and `dataset.json` last."""

import csv
import fcntl
import hashlib
import io
import json
import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vqtool import __version__
from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.data import Frames
from vqtool.data.shards import CONTENTS, HEADER_BYTES, Rows, ShardWriter, shard_file, widen
from vqtool.data.store import (
    CLIPS_FILE,
    DATASET_FILE,
    UNFINISHED_FILE,
    VERSION,
    Clip,
    Shard,
    Skipped,
    Split,
    StoreInfo,
    count_splits,
    is_complete,
)
from vqtool.errors import DataError

SHARD_BYTES = 1 << 30
_LEFTOVER = re.compile(rf"(({'|'.join(CONTENTS)})-\d{{5}}\.npy|{re.escape(CLIPS_FILE)}|\..*\.tmp)")


@dataclass(frozen=True)
class Video:
    """One camera video to store: frames (T, size, size, 3), states (T, S), actions (T, A) with NaN where absent."""

    trajectory: str
    camera: str
    robot: str
    source: str
    frames: Frames
    states: Rows
    actions: Rows


@dataclass(frozen=True)
class Origin:
    """What `dataset.json` says about where a store came from and how it was split."""

    source: str
    min_frames: int
    seed: int
    split_rule: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    skipped: Sequence[Skipped]
    settings: dict[str, str | int | float] = field(default_factory=dict)


class StoreWriter:
    """Writes the store in the folder `path`: enter it, `add` videos, `finish`.

    What an interrupted writer left is removed on entry; leaving without `finish` removes what this one wrote.
    The bytes depend on the videos and their order only.

    Raises:
        DataError: the folder holds a complete store or other files, or another process is writing there.
        VqtoolError: no space left, or the folder cannot be written.
    """

    def __init__(self, path: Path, size: int, shard_bytes: int = SHARD_BYTES) -> None:
        self.path = path
        self.size = size
        self.max_frames = max_frames(size, shard_bytes)
        self._clips: list[Clip] = []
        self._shards: list[ShardWriter] = []
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        with explained_os_errors(self.path):
            _check_target(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path)
            _remove_leftovers(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = is_complete(self.path)
        if not finished:
            for shard in self._shards:
                shard.abandon()
            _remove_leftovers(self.path)
        (self.path / UNFINISHED_FILE).unlink(missing_ok=True)
        if self._lock:
            self._lock.close()
        if not finished:
            with suppress(OSError):
                self.path.rmdir()

    def add(self, video: Video, split: Split) -> Clip:
        """Append a video of at most `max_frames` frames; returns its place."""
        with explained_os_errors(self.path):
            shard = self._shard_for(len(video.frames))
            start = shard.append(video.frames, video.states, video.actions)
        clip = Clip(
            clip=f"{video.trajectory}/{video.camera}",
            trajectory=video.trajectory,
            camera=video.camera,
            robot=video.robot,
            split=split,
            shard=shard.number,
            start=start,
            length=len(video.frames),
            state_dim=video.states.shape[1],
            action_dim=video.actions.shape[1],
            source=video.source,
        )
        self._clips.append(clip)
        return clip

    def finish(self, origin: Origin) -> StoreInfo:
        """Write the index and, last of all, `dataset.json`."""
        state_dim = max((clip.state_dim for clip in self._clips), default=0)
        action_dim = max((clip.action_dim for clip in self._clips), default=0)
        with explained_os_errors(self.path):
            if self._shards:
                self._shards[-1].close()
            shards = tuple(self._seal(shard, state_dim, action_dim) for shard in self._shards)
        index = _clips_csv(self._clips)
        write_atomic(self.path / CLIPS_FILE, index)
        info = StoreInfo(
            version=VERSION,
            vqtool_version=__version__,
            size=self.size,
            splits=count_splits(self._clips),
            state_dim=state_dim,
            action_dim=action_dim,
            shards=shards,
            clips_sha256=hashlib.sha256(index).hexdigest(),
            **{part.name: getattr(origin, part.name) for part in fields(origin)},
        )
        write_atomic(self.path / DATASET_FILE, json.dumps(asdict(info), indent=2) + "\n")
        return info

    def _shard_for(self, num_frames: int) -> ShardWriter:
        if num_frames > self.max_frames:
            raise ValueError(f"a video of {num_frames} frames does not fit a shard of {self.max_frames}")
        if self._shards and self._shards[-1].num_frames + num_frames <= self.max_frames:
            return self._shards[-1]
        if self._shards:
            self._shards[-1].close()
        self._shards.append(ShardWriter(self.path, len(self._shards), self.size))
        return self._shards[-1]

    def _seal(self, shard: ShardWriter, state_dim: int, action_dim: int) -> Shard:
        widen(self.path / shard_file("states", shard.number), state_dim)
        widen(self.path / shard_file("actions", shard.number), action_dim)
        files = [shard_file(contents, shard.number) for contents in CONTENTS]
        return Shard(shard.num_frames, {file: _sha256(self.path / file) for file in files})


def max_frames(size: int, shard_bytes: int = SHARD_BYTES) -> int:
    """The longest video of frames of `size` x `size` pixels that fits a shard."""
    return (shard_bytes - HEADER_BYTES) // (size * size * 3)


def _check_target(path: Path) -> None:
    if is_complete(path):
        raise DataError(
            f"{path} holds a complete frame store already: choose another --output, or remove it to preprocess again"
        )
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file, not a folder: choose another --output")
    if path.is_dir() and not (path / UNFINISHED_FILE).exists():
        found = next(path.iterdir(), None)
        if found:
            raise DataError(f"{path} is not empty and no frame store (it holds {found.name}): choose another --output")


def _lock(path: Path) -> IO[str]:
    """Mark the folder as being written; the lock goes with the process, however that ends."""
    stream = (path / UNFINISHED_FILE).open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise DataError(
            f"another vqtool preprocess is writing {path}: wait for it, or choose another --output"
        ) from None
    stream.truncate(0)
    json.dump({"vqtool_version": __version__, "pid": os.getpid(), "host": socket.gethostname()}, stream)
    stream.flush()
    return stream


def _remove_leftovers(path: Path) -> None:
    for file in path.iterdir():
        if _LEFTOVER.fullmatch(file.name):
            file.unlink()


def _clips_csv(clips: Sequence[Clip]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(column.name for column in fields(Clip))
    rows.writerows(astuple(clip) for clip in clips)
    return text.getvalue().encode()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
