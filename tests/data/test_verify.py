"""Verification: a whole store passes, and whatever is altered is named, file by file."""

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vqtool.data.store import FrameStore
from vqtool.data.verify import verify
from vqtool.errors import DataError


def test_a_whole_store_has_no_problem_and_every_file_is_counted(numbered_store: FrameStore) -> None:
    calls: list[tuple[int, int]] = []
    result = verify(numbered_store.path, lambda done, total: calls.append((done, total)))
    assert result.problems == ()
    assert result.num_files == len(list(numbered_store.path.iterdir())) == 11
    assert calls == [(done, 11) for done in range(2, 12)]


@pytest.mark.parametrize("position", [0, 100, 130, -1])
def test_each_altered_shard_is_named(numbered_store: FrameStore, position: int) -> None:
    altered = ["actions-00001.npy", "frames-00000.npy", "states-00002.npy"]
    for name in altered:
        content = bytearray((numbered_store.path / name).read_bytes())
        content[position] ^= 1
        (numbered_store.path / name).write_bytes(content)
    problems = verify(numbered_store.path).problems
    assert [problem.file for problem in problems] == altered
    assert all("altered" in problem.detail for problem in problems)


def test_missing_and_unlisted_files_are_named(numbered_store: FrameStore) -> None:
    (numbered_store.path / "frames-00001.npy").unlink()
    (numbered_store.path / "states-00007.npy").write_bytes(b"x")
    problems = {problem.file: problem.detail for problem in verify(numbered_store.path).problems}
    assert set(problems) == {"frames-00001.npy", "states-00007.npy"}
    assert "No such file" in problems["frames-00001.npy"] and "not list" in problems["states-00007.npy"]


def rewrite_clips(path: Path, change: Callable[[list[dict[str, str]]], None]) -> None:
    """Change rows of clips.csv and sign it again: only the index's own consistency can tell."""
    rows = list(csv.DictReader((path / "clips.csv").open(newline="")))
    change(rows)
    with (path / "clips.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    resign(path, clips_sha256=hashlib.sha256((path / "clips.csv").read_bytes()).hexdigest())


def resign(path: Path, **changes: object) -> None:
    info = json.loads((path / "dataset.json").read_bytes())
    (path / "dataset.json").write_text(json.dumps(info | changes))


def overlap(rows: list[dict[str, str]]) -> None:
    rows[1]["start"] = "13"


def widen(rows: list[dict[str, str]]) -> None:
    rows[2]["state_dim"] = "4"


def repeat(rows: list[dict[str, str]]) -> None:
    rows[1]["clip"] = rows[0]["clip"]


def leave(rows: list[dict[str, str]]) -> None:
    rows[5]["start"] = "21"


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (overlap, "a/cam0 and a/cam1 overlap"),
        (widen, "b/cam0 claims more columns"),
        (repeat, "two rows"),
        (leave, "outside the shards"),
    ],
)
def test_an_index_that_contradicts_itself_is_named(
    numbered_store: FrameStore, change: Callable[[list[dict[str, str]]], None], detail: str
) -> None:
    rewrite_clips(numbered_store.path, change)
    (problem,) = verify(numbered_store.path).problems
    assert problem.file == "clips.csv" and detail in problem.detail


def test_a_trajectory_in_two_splits_is_named(numbered_store: FrameStore) -> None:
    def split_cameras(rows: list[dict[str, str]]) -> None:
        rows[1]["split"] = "val"

    rewrite_clips(numbered_store.path, split_cameras)
    splits = json.loads((numbered_store.path / "dataset.json").read_bytes())["splits"]
    splits["train"] = {"trajectories": 3, "clips": 3, "frames": 74}
    splits["val"] = {"trajectories": 3, "clips": 3, "frames": 23}
    resign(numbered_store.path, splits=splits)
    (problem,) = verify(numbered_store.path).problems
    assert "trajectory a is in the splits train and val" in problem.detail


def test_a_shard_signed_with_another_shape_is_named(numbered_store: FrameStore) -> None:
    file = numbered_store.path / "states-00001.npy"
    np.save(file, np.load(file)[:, :2])
    shards = json.loads((numbered_store.path / "dataset.json").read_bytes())["shards"]
    shards[1]["sha256"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    resign(numbered_store.path, shards=shards)
    (problem,) = verify(numbered_store.path).problems
    assert problem.file == file.name and "(43, 2)" in problem.detail


def test_no_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a frame store"):
        verify(tmp_path)
