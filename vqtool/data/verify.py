"""Checking a frame store against its own index: every byte, and every statement that can contradict another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from vqtool.data.shards import CONTENTS, shard_file
from vqtool.data.store import CLIPS_FILE, DATASET_FILE, Clip, StoreInfo, file_sha256, read_clips, read_info
from vqtool.errors import DataError

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Problem:
    """A file of a store that is not what the index says, and in what way."""

    file: str
    detail: str


@dataclass(frozen=True)
class Verification:
    """How many files were checked, and what is wrong with them."""

    num_files: int
    problems: tuple[Problem, ...]


def verify(path: Path, advance: Advance | None = None) -> Verification:
    """Compare all files of the store in the folder `path` with their checksums, and its index with itself.

    `advance` is called with the number of files done and of all.

    Raises:
        DataError: no store, or a `dataset.json` that cannot be read, so that nothing else can be checked.
    """
    info = read_info(path)
    checksums = {file: digest for shard in info.shards for file, digest in shard.sha256.items()}
    problems, num_files = [*_unlisted(path, info), *_check_info(info)], len(checksums) + 2
    for done, (file, digest) in enumerate(sorted(checksums.items()), start=2):  # dataset.json was the first
        problems += check_file(path / file, digest)
        if advance:
            advance(done, num_files)
    problems += check_file(path / CLIPS_FILE, info.clips_sha256)
    problems += _check_shapes(path, info)
    problems += _check_index(path, info)
    if advance:
        advance(num_files, num_files)
    # One thing wrong with a file is enough: the first is the plainest.
    first = {problem.file: problem for problem in reversed(problems)}
    return Verification(num_files, tuple(first[file] for file in sorted(first)))


def _unlisted(path: Path, info: StoreInfo) -> Iterator[Problem]:
    listed = {shard_file(contents, number) for number in range(len(info.shards)) for contents in CONTENTS}
    for contents in CONTENTS:
        for file in path.glob(f"{contents}-*.npy"):
            if file.name not in listed:
                yield Problem(file.name, f"{DATASET_FILE} does not list it")


def _check_info(info: StoreInfo) -> Iterator[Problem]:
    for number, shard in enumerate(info.shards):
        if set(shard.sha256) != {shard_file(contents, number) for contents in CONTENTS}:
            yield Problem(DATASET_FILE, f"shard {number} lists other files than its three")


def check_file(file: Path, digest: str) -> Iterator[Problem]:
    """What is wrong with a file whose content should have this SHA-256."""
    try:
        actual = file_sha256(file)
    except OSError as error:
        yield Problem(file.name, error.strerror or str(error))
        return
    if actual != digest:
        yield Problem(file.name, "its content was altered (its SHA-256 is another)")


def _check_shapes(path: Path, info: StoreInfo) -> Iterator[Problem]:
    for number, shard in enumerate(info.shards):
        expected = {
            "frames": (np.uint8, (shard.frames, info.size, info.size, 3)),
            "states": (np.float32, (shard.frames, info.state_dim)),
            "actions": (np.float32, (shard.frames, info.action_dim)),
        }
        for contents in CONTENTS:
            file = shard_file(contents, number)
            try:
                values = np.load(path / file, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                yield Problem(file, str(error))
                continue
            if (values.dtype, values.shape) != expected[contents]:
                yield Problem(file, f"it holds {values.dtype} {values.shape}, which {DATASET_FILE} contradicts")


def _check_index(path: Path, info: StoreInfo) -> Iterator[Problem]:
    try:
        clips = read_clips(path, info)
    except DataError as error:
        yield Problem(CLIPS_FILE, str(error))
        return
    details = [*_duplicates(clips), *_overlaps(clips), *_shared(clips), *_too_wide(clips, info)]
    yield from (Problem(CLIPS_FILE, detail) for detail in details)


def _duplicates(clips: Sequence[Clip]) -> Iterator[str]:
    if len({clip.clip for clip in clips}) < len(clips):
        yield "a clip has two rows"


def _overlaps(clips: Sequence[Clip]) -> Iterator[str]:
    for one, other in pairwise(sorted(clips, key=lambda clip: (clip.shard, clip.start))):
        if one.shard == other.shard and one.start + one.length > other.start:
            yield f"the frames of {one.clip} and {other.clip} overlap"


def _shared(clips: Sequence[Clip]) -> Iterator[str]:
    splits: dict[str, str] = {}
    for clip in clips:
        if splits.setdefault(clip.trajectory, clip.split) != clip.split:
            yield f"trajectory {clip.trajectory} is in the splits {splits[clip.trajectory]} and {clip.split}"


def _too_wide(clips: Sequence[Clip], info: StoreInfo) -> Iterator[str]:
    for clip in clips:
        if not (0 <= clip.state_dim <= info.state_dim and 0 <= clip.action_dim <= info.action_dim):
            yield f"{clip.clip} claims more columns of states or actions than the shards have"
