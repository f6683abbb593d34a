"""The frame store: what is written is what is read, and nothing broken is taken for whole."""

import csv
import hashlib
import json
import os
import re
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from forks import Forks
from numbered import ORIGIN, SIZE, frame_numbers, numbered_video

from vqtool.data.journal import Entry
from vqtool.data.store import FrameStore
from vqtool.data.store_writer import StoreWriter
from vqtool.errors import DataError, VqtoolError


def test_clips_come_back_with_their_own_frames_states_and_actions(numbered_store: FrameStore) -> None:
    first = 0
    for clip in numbered_store.clips:
        video = numbered_video(clip.trajectory, clip.camera, clip.length, first)
        np.testing.assert_array_equal(numbered_store.read(clip), video.frames)
        place = slice(clip.start, clip.start + clip.length)
        states = np.load(numbered_store.path / f"states-{clip.shard:05d}.npy")[place]
        actions = np.load(numbered_store.path / f"actions-{clip.shard:05d}.npy")[place]
        np.testing.assert_array_equal(states[:, : clip.state_dim], video.states)
        np.testing.assert_array_equal(actions[:, : clip.action_dim], video.actions)
        first += clip.length
    assert [clip.clip for clip in numbered_store.clips] == ["a/cam0", "a/cam1", "b/cam0", "c/cam0", "d/cam0", "e/cam0"]


def test_a_part_of_a_clip_can_be_read(numbered_store: FrameStore) -> None:
    clip = numbered_store.clips[2]
    assert frame_numbers(numbered_store.read(clip, 5, 8)).tolist() == [28, 29, 30]
    assert frame_numbers(numbered_store.read(clip, 38, 99)).tolist() == [61, 62]


def test_splits_and_counts(numbered_store: FrameStore) -> None:
    assert [clip.clip for clip in numbered_store.split("val")] == ["c/cam0", "e/cam0"]
    counts = {split: (c.trajectories, c.clips, c.frames) for split, c in numbered_store.info.splits.items()}
    assert counts == {"train": (3, 4, 83), "val": (2, 2, 14), "test": (0, 0, 0)}
    assert (numbered_store.info.mean, numbered_store.info.seed) == ((0.5, 0.25, 0.125), 7)


def test_shards_are_bounded_plain_npy_files_and_no_clip_crosses_them(numbered_store: FrameStore) -> None:
    shards = [np.load(file, mmap_mode="r") for file in sorted(numbered_store.path.glob("frames-*.npy"))]
    assert [shard.shape for shard in shards] == [(23, SIZE, SIZE, 3), (43, SIZE, SIZE, 3), (31, SIZE, SIZE, 3)]
    assert np.concatenate([frame_numbers(shard) for shard in shards]).tolist() == list(range(97))


def test_checksums_in_dataset_json_are_those_of_the_files(numbered_store: FrameStore) -> None:
    recorded = json.loads((numbered_store.path / "dataset.json").read_bytes())
    files = {name: digest for shard in recorded["shards"] for name, digest in shard["sha256"].items()}
    files["clips.csv"] = recorded["clips_sha256"]
    on_disk = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in numbered_store.path.iterdir()}
    on_disk.pop("dataset.json")
    assert files == on_disk


def test_states_of_different_widths_share_a_shard_and_all_shards_one_width(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SIZE, shard_bytes=128 + 8 * SIZE * SIZE * 3) as writer:
        writer.add(numbered_video("a", "cam0", 4, 0, state_dim=2), "train")
        writer.add(numbered_video("b", "cam0", 4, 4, state_dim=0), "train")
        writer.add(numbered_video("c", "cam0", 4, 8, state_dim=5), "val")
        info = writer.finish(ORIGIN)
    first, second = (np.load(tmp_path / "store" / f"states-0000{number}.npy") for number in (0, 1))
    assert info.state_dim == 5
    assert first.dtype == np.float32 and first.shape == (8, 5) and second.shape == (4, 5)
    np.testing.assert_array_equal(np.isfinite(first).sum(axis=1), [2] * 4 + [0] * 4)
    assert [clip.state_dim for clip in FrameStore.open(tmp_path / "store").clips] == [2, 0, 5]


def test_shards_are_on_the_disk_as_they_stay_before_dataset_json_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut right after any push to the disk would leave."""
    folder = tmp_path / "store"
    pushed: dict[str, bytes] = {}
    before_index: list[dict[str, bytes]] = []

    def push(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if "dataset.json" in path.name:
            before_index.append(dict(pushed))
        elif path.is_file():
            pushed[path.name] = path.read_bytes()

    monkeypatch.setattr("os.fsync", push)
    with StoreWriter(folder, SIZE, shard_bytes=128 + 8 * SIZE * SIZE * 3) as writer:
        for number, name in enumerate("abc"):
            writer.add(numbered_video(name, "cam0", 4, 4 * number), "train")
            writer.record(Entry(name, tuple(writer._clips[-1:])))
        writer.finish(ORIGIN)
    shards = {file.name: file.read_bytes() for file in folder.glob("*.npy")}
    assert len(shards) == 6
    assert {name: before_index[0].get(name) for name in shards} == shards


def test_names_with_commas_and_quotes_survive(tmp_path: Path) -> None:
    name = 'odd, "name"\nof é'
    with StoreWriter(tmp_path / "store", SIZE) as writer:
        writer.add(numbered_video(name, "cam0", 4, 0), "train")
        writer.finish(ORIGIN)
    assert FrameStore.open(tmp_path / "store").clips[0].trajectory == name


def test_a_missing_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder; make one with: vqtool preprocess"):
        FrameStore.open(tmp_path / "none")


def test_a_folder_without_an_index_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a frame store: it has no dataset\.json"):
        FrameStore.open(tmp_path)


def test_a_store_being_written_is_incomplete(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SIZE) as writer:
        writer.add(numbered_video("a", "cam0", 4, 0), "train")
        with pytest.raises(DataError, match="incomplete"):
            FrameStore.open(tmp_path / "store")
        assert len(np.load(tmp_path / "store" / "frames-00000.npy")) == 0


def test_an_unfinished_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), StoreWriter(tmp_path / "store", SIZE) as writer:
        writer.add(numbered_video("a", "cam0", 4, 0), "train")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def _write_and_be_killed(path: Path) -> None:
    writer = StoreWriter(path, SIZE).__enter__()
    writer.add(numbered_video("a", "cam0", 40, 0), "train")
    (path / ".clips.csv.1-2.tmp").write_text("half")
    (path / "states-00000.npy").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path, forks: Forks) -> None:
    path = tmp_path / "store"
    assert forks.call(_write_and_be_killed, path) == -signal.SIGKILL
    assert len(list(path.iterdir())) == 6
    with StoreWriter(path, SIZE) as writer:
        assert [file.name for file in path.iterdir()] == ["unfinished.json"]
        writer.add(numbered_video("b", "cam0", 4, 0), "train")
        writer.finish(ORIGIN)
    names = sorted(file.name for file in path.iterdir())
    assert names == ["actions-00000.npy", "clips.csv", "dataset.json", "frames-00000.npy", "states-00000.npy"]


def test_two_writers_cannot_share_a_folder(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", SIZE) as writer:
        with pytest.raises(DataError, match="another vqtool preprocess is writing"), StoreWriter(writer.path, SIZE):
            pass
        writer.add(numbered_video("a", "cam0", 4, 0), "train")
        writer.finish(ORIGIN)
    assert len(FrameStore.open(tmp_path / "store").clips) == 1


def test_a_complete_store_is_not_written_over(numbered_store: FrameStore) -> None:
    with pytest.raises(DataError, match="complete frame store already"), StoreWriter(numbered_store.path, SIZE):
        pass
    assert len(FrameStore.open(numbered_store.path).clips) == 6


def test_foreign_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "frames-00000.npy").write_text("mine")
    with pytest.raises(DataError, match=r"not empty.*frames-00000\.npy"), StoreWriter(tmp_path, SIZE):
        pass
    assert (tmp_path / "frames-00000.npy").read_text() == "mine"


def test_an_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="is a file"), StoreWriter(tmp_path / "file", SIZE):
        pass


def test_when_the_disk_takes_no_more_one_message_says_so_and_nothing_stays(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        with pytest.raises(VqtoolError, match="cannot write"), StoreWriter(tmp_path / "store", SIZE) as writer:
            for number in range(4):
                writer.add(numbered_video(f"t{number}", "cam0", 40, 0), "train")
            writer.finish(ORIGIN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def _damage_dataset_json(path: Path, **changes: object) -> None:
    file = path / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | changes))


def _damage_clips(path: Path, column: str, value: str) -> None:
    rows = list(csv.DictReader((path / "clips.csv").read_text().splitlines()))
    rows[1][column] = value
    with (path / "clips.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _cut(file: Path, num_bytes: int) -> None:
    file.write_bytes(file.read_bytes()[:num_bytes])


DAMAGES = {
    "dataset.json of another program": (
        lambda path: (path / "dataset.json").write_text('{"name": "x"}'),
        "not one of vqtool's",
    ),
    "dataset.json of a later version": (lambda path: _damage_dataset_json(path, version=99), "version 99"),
    "dataset.json cut": (lambda path: _cut(path / "dataset.json", 200), r"damaged.*dataset\.json"),
    "dataset.json with a wrong type": (lambda path: _damage_dataset_json(path, mean="grey"), r"dataset\.json"),
    "frames cut": (lambda path: _cut(path / "frames-00001.npy", 1000), r"frames-00001\.npy.*has 1,000 bytes"),
    "frames gone": (lambda path: (path / "frames-00002.npy").unlink(), r"frames-00002\.npy"),
    "clips gone": (lambda path: (path / "clips.csv").unlink(), r"clips\.csv"),
    "clips cut": (lambda path: _cut(path / "clips.csv", 150), r"clips\.csv"),
    "clips of another kind": (lambda path: (path / "clips.csv").write_text("a,b\n1,2\n"), "columns"),
    "a clip outside its shard": (lambda path: _damage_clips(path, "start", "20"), "outside"),
    "a clip of an unknown shard": (lambda path: _damage_clips(path, "shard", "7"), "outside"),
    "a clip before its shard": (lambda path: _damage_clips(path, "start", "-1"), "outside"),
    "an unknown split": (lambda path: _damage_clips(path, "split", "dev"), "unknown split"),
    "a clip moved to another split": (lambda path: _damage_clips(path, "split", "test"), "counts"),
    "a number that is none": (lambda path: _damage_clips(path, "length", "many"), r"clips\.csv"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_reported(numbered_store: FrameStore, name: str) -> None:
    damage, message = DAMAGES[name]
    damage(numbered_store.path)
    with pytest.raises(DataError) as caught:
        FrameStore.open(numbered_store.path)
    assert re.search(message, str(caught.value), re.DOTALL)
    assert "preprocess" in str(caught.value)


@pytest.mark.parametrize(("old", "new"), [(b"descr", b"xxxxx"), (b"8, 8, 3", b"8, 3, 8"), (b"|u1", b"|i1")])
def test_a_shard_with_another_content_is_reported_when_it_is_read(
    numbered_store: FrameStore, old: bytes, new: bytes
) -> None:
    file = numbered_store.path / "frames-00000.npy"
    file.write_bytes(file.read_bytes().replace(old, new, 1))
    store = FrameStore.open(numbered_store.path)
    with pytest.raises(DataError, match=r"damaged.*frames-00000"):
        store.read(store.clips[0])
    assert frame_numbers(store.read(store.clips[2])).tolist() == list(range(23, 63))


def test_reading_after_the_store_was_removed_is_an_error_not_a_crash(numbered_store: FrameStore) -> None:
    shutil.rmtree(numbered_store.path)
    with pytest.raises(DataError, match="frames-00000"):
        numbered_store.read(numbered_store.clips[0])
