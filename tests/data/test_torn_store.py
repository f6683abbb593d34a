"""Every torn state of an unfinished store: journal and shards cut or extended anywhere still give the same bytes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numbered import ORIGIN, SIZE, numbered_video

from vqtool.data.journal import Entry
from vqtool.data.skipped import Skipped
from vqtool.data.store import Split
from vqtool.data.store_writer import StoreWriter
from vqtool.errors import DataError

SHARD_BYTES = 128 + 50 * SIZE * SIZE * 3
FINGERPRINT = {"size": SIZE, "names": "ten"}
LENGTHS = [(14, 9), (30, 17), (3,), (), (20, 11), (45,), (5, 5, 5), (), (48, 2), (1,)]
"""The videos of each trajectory; none where it was skipped. Some trajectories cross from one shard to the next."""


def write(path: Path, stop: int | None = None) -> int:
    """Write, or go on writing, and finish unless told to `stop` after so many; returns how many were already there."""
    writer = StoreWriter(path, SIZE, SHARD_BYTES, FINGERPRINT, commit_seconds=1e9 if stop is None else 0)
    with writer:
        for number in range(len(writer.entries), len(LENGTHS) if stop is None else stop):
            store_one(writer, number)
        if stop is None:
            writer.finish(ORIGIN)
    return len(writer.entries)


def store_one(writer: StoreWriter, number: int) -> None:
    first = sum(sum(lengths) for lengths in LENGTHS[:number])
    split: Split = "val" if number % 4 == 0 else "train"
    clips = []
    for camera, length in enumerate(LENGTHS[number]):
        video = numbered_video(f"t{number}", f"cam{camera}", length, first, state_dim=number % 3)
        clips.append(writer.add(video, split))
        first += length
    skipped = None if clips else Skipped(f"t{number}", "x.hdf5", "damaged", "torn")
    writer.record(Entry(f"t{number}", tuple(clips), (number, 2**60), skipped))


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("whole") / "store"
    write(path)
    return contents(path)


def test_stopped_after_each_trajectory(whole: dict[str, bytes], tmp_path: Path) -> None:
    for stop in range(len(LENGTHS) + 1):
        path = tmp_path / str(stop)
        write(path, stop)
        assert write(path) == stop
        assert contents(path) == whole


def test_torn_anywhere(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Files lose any number of bytes, grow by noise, or vanish: what a kill or a power cut can leave, and worse."""
    rng = np.random.default_rng(11)
    write(tmp_path / "begun", len(LENGTHS))
    names = sorted(file.name for file in (tmp_path / "begun").iterdir())
    resumed = []
    for case in range(70):
        path = tmp_path / str(case)
        shutil.copytree(tmp_path / "begun", path)
        for name in rng.choice(names, rng.integers(1, 4), replace=False):
            tear(path / name, rng)
        (path / "unfinished.json").touch()
        resumed.append(write(path))
        assert contents(path) == whole, f"case {case}"
        shutil.rmtree(path)
    assert set(resumed) >= {0, 1, 4, 5, 8, len(LENGTHS)}


def tear(file: Path, rng: np.random.Generator) -> None:
    content = file.read_bytes()
    match rng.integers(4):
        case 0:
            file.unlink()
        case 1:
            file.write_bytes(content + rng.bytes(int(rng.integers(1, 500))))
        case _:
            file.write_bytes(content[: rng.integers(len(content) + 1)])


def test_a_journal_line_that_was_altered_ends_it(whole: dict[str, bytes], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    write(tmp_path / "begun", len(LENGTHS))
    for case in range(20):
        path = tmp_path / str(case)
        shutil.copytree(tmp_path / "begun", path)
        journal = bytearray((path / "journal.jsonl").read_bytes())
        position = int(rng.integers(len(journal)))
        journal[position] ^= int(rng.integers(1, 256))
        (path / "journal.jsonl").write_bytes(journal)
        num_before = bytes(journal[:position]).count(b"\n")
        assert write(path) == max(num_before - 1, 0)
        assert contents(path) == whole


def test_torn_while_it_was_being_finished(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Some of the final files are there already, headers filled in, and the journal still is."""
    for case, present in enumerate(
        (
            ["states-00000.npy"],
            ["states-00000.npy", "frames-00000.npy"],
            [name for name in whole if name != "dataset.json"],
        )
    ):
        path = tmp_path / str(case)
        write(path, len(LENGTHS))
        for name in present:
            (path / name).write_bytes(whole[name])
        assert write(path) == len(LENGTHS)
        assert contents(path) == whole


def test_another_fingerprint_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "store", 3)
    writer = StoreWriter(tmp_path / "store", SIZE, SHARD_BYTES, {"size": 9, "names": "ten"})
    with pytest.raises(DataError, match=r"begun with size 8 \(now 9\)"), writer:
        pass
    assert write(tmp_path / "store") == 3


def test_the_journal_never_runs_ahead_of_the_files(tmp_path: Path) -> None:
    """Until a commit, what was recorded is not in the journal, however much of it is in the shards."""
    writer = StoreWriter(tmp_path / "store", SIZE, SHARD_BYTES, FINGERPRINT, commit_seconds=1e9)
    with writer:
        store_one(writer, 0)
        assert not (tmp_path / "store" / "journal.jsonl").exists()
        writer.commit()
        store_one(writer, 1)
        assert (tmp_path / "store" / "journal.jsonl").read_bytes().count(b"\n") == 2


def test_what_follows_a_torn_line_is_found_by_the_next_run(whole: dict[str, bytes], tmp_path: Path) -> None:
    """Interrupted twice: the second run must not append behind the torn end of the first one's journal."""
    path = tmp_path / "store"
    write(path, 4)
    journal = path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    assert write(path, 7) == 3
    assert write(path) == 7
    assert contents(path) == whole
