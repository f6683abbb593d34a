"""Writing a frame store: videos appended to shards of bounded size, and `dataset.json` last."""

import csv
import hashlib
import io
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from vqtool import __version__
from vqtool.core.atomic import explained_os_errors, sync, write_atomic
from vqtool.data import Frames
from vqtool.data.journal import JOURNAL_FILE, Entry, Fingerprint, append_journal
from vqtool.data.shards import (
    CONTENTS,
    HEADER_BYTES,
    Rows,
    ShardEnd,
    ShardWriter,
    complete_frames,
    complete_rows,
    shard_file,
)
from vqtool.data.skipped import Skipped
from vqtool.data.store import (
    CLIPS_FILE,
    DATASET_FILE,
    UNFINISHED_FILE,
    VERSION,
    Clip,
    Shard,
    Split,
    StoreInfo,
    count_splits,
    file_sha256,
    is_complete,
    read_info,
)
from vqtool.data.unfinished import check_fingerprint, keep_only, lock, recover, remove_scaffolding
from vqtool.errors import DataError, VqtoolError

SHARD_BYTES = 1 << 30
COMMIT_SECONDS = 2.0
"""Between two moments when everything done is on the disk: what a kill or a power cut costs at most."""


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
    """Writes the store in the folder `path`: enter it, `add` videos, `record` each trajectory, `finish`.

    What was recorded survives any interruption: a writer with the same `fingerprint` finds it in `entries` and goes on
    behind it. Whatever else an interrupted writer left is cut off on entry. The bytes depend on the videos and their
    order only, not on interruptions.

    Raises:
        DataError: the folder holds a complete store, other files or a store begun with another fingerprint, or another
            process is writing there.
        VqtoolError: no space left, or the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        size: int,
        shard_bytes: int = SHARD_BYTES,
        fingerprint: Fingerprint | None = None,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        self.path = path
        self.size = size
        self.max_frames = max_frames(size, shard_bytes)
        self.entries: tuple[Entry, ...] = ()
        """What an interrupted writer had recorded."""
        self.finished: StoreInfo | None = None
        """Where the interrupted writer had finished the store and only not yet tidied up."""
        self._fingerprint = fingerprint or {}
        self._commit_seconds = commit_seconds
        self._committed = time.monotonic()
        self._pending: list[Entry] = []
        self._clips: list[Clip] = []
        self._ends: list[ShardEnd] = []
        self._shard: ShardWriter | None = None
        self._lock: IO[str] | None = None
        self._unwanted = False

    def __enter__(self) -> Self:
        with explained_os_errors(self.path):
            _check_target(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = lock(self.path)
            try:
                if is_complete(self.path):
                    check_fingerprint(self.path, self._fingerprint)
                    self.finished = read_info(self.path)
                else:
                    self._restore()
            except BaseException:
                self._lock.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if is_complete(self.path):
            self._close_shard()
            remove_scaffolding(self.path)
        else:
            # A disk that is full may refuse this too; then what was committed before is what remains.
            with suppress(VqtoolError, OSError):
                self.commit()
            self._close_shard()
            if self._unwanted or not (self.path / JOURNAL_FILE).exists():
                self._remove()
        if self._lock:
            self._lock.close()

    def add(self, video: Video, split: Split) -> Clip:
        """Append a video of at most `max_frames` frames; returns its place. It counts once it is recorded."""
        with explained_os_errors(self.path):
            shard = self._shard_for(len(video.frames))
            start = shard.append(video.frames, video.states, video.actions)
        self._ends[-1] = shard.end
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

    def record(self, entry: Entry) -> None:
        """Note that a trajectory is done; from time to time this pushes everything to the disk."""
        self._pending.append(entry)
        if time.monotonic() - self._committed >= self._commit_seconds:
            self.commit()

    def commit(self) -> None:
        """Push the frames to the disk and then, so that it never speaks of frames that are not there, the journal.

        Raises:
            VqtoolError: no space left.
        """
        if self._pending:
            with explained_os_errors(self.path):
                if self._shard:
                    self._shard.sync()
            append_journal(self.path, self._fingerprint, self._pending)
            self._pending.clear()
        self._committed = time.monotonic()

    def discard(self) -> None:
        """Give up: leaving removes everything that was written, and the folder where nothing else is in it."""
        self._unwanted = True

    def _remove(self) -> None:
        keep_only(self.path, set())
        (self.path / UNFINISHED_FILE).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def finish(self, origin: Origin) -> StoreInfo:
        """Write the index and, last of all, `dataset.json`."""
        state_dim = max((clip.state_dim for clip in self._clips), default=0)
        action_dim = max((clip.action_dim for clip in self._clips), default=0)
        numbers = range(len(self._ends))
        with explained_os_errors(self.path), ThreadPoolExecutor(1) as thread:
            for number in numbers:
                self._complete(number, state_dim, action_dim)
            # Pushing to the disk waits while hashing computes.
            hashed = thread.submit(lambda: tuple(map(self._hashed, numbers)))
            self.commit()
            for number in numbers:
                sync(self.path / shard_file("frames", number))
            shards = hashed.result()
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

    def _restore(self) -> None:
        left = recover(self.path, self.size, self._fingerprint)
        self.entries = left.entries
        self._clips = [clip for entry in left.entries for clip in entry.clips]
        self._ends = list(left.ends)
        for number, end in enumerate(self._ends):
            self._close_shard()
            self._shard = ShardWriter(self.path, number, self.size, end)

    def _shard_for(self, num_frames: int) -> ShardWriter:
        if num_frames > self.max_frames:
            raise ValueError(f"a video of {num_frames} frames does not fit a shard of {self.max_frames}")
        if self._shard and self._shard.end.num_frames + num_frames <= self.max_frames:
            return self._shard
        if self._shard:
            self._shard.sync()
            self._close_shard()
        self._shard = ShardWriter(self.path, len(self._ends), self.size)
        self._ends.append(self._shard.end)
        return self._shard

    def _close_shard(self) -> None:
        if self._shard:
            self._shard.close()
            self._shard = None

    def _complete(self, number: int, state_dim: int, action_dim: int) -> None:
        clips = [clip for clip in self._clips if clip.shard == number]
        complete_rows(self.path, "states", number, [(c.start, c.length, c.state_dim) for c in clips], state_dim)
        complete_rows(self.path, "actions", number, [(c.start, c.length, c.action_dim) for c in clips], action_dim)
        complete_frames(self.path, number, self.size, self._ends[number].num_frames)

    def _hashed(self, number: int) -> Shard:
        files = [shard_file(contents, number) for contents in CONTENTS]
        return Shard(self._ends[number].num_frames, {file: file_sha256(self.path / file) for file in files})


def max_frames(size: int, shard_bytes: int = SHARD_BYTES) -> int:
    """The longest video of frames of `size` x `size` pixels that fits a shard."""
    return (shard_bytes - HEADER_BYTES) // (size * size * 3)


def _check_target(path: Path) -> None:
    if is_complete(path) and not (path / JOURNAL_FILE).exists():
        raise DataError(
            f"{path} holds a complete frame store already: choose another --output, or remove it to preprocess again"
        )
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file, not a folder: choose another --output")
    if path.is_dir() and not (path / UNFINISHED_FILE).exists():
        found = next(path.iterdir(), None)
        if found:
            raise DataError(f"{path} is not empty and no frame store (it holds {found.name}): choose another --output")


def _clips_csv(clips: Sequence[Clip]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(column.name for column in fields(Clip))
    rows.writerows(astuple(clip) for clip in clips)
    return text.getvalue().encode()
