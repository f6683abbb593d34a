"""A list of test trajectories: names matched with or without suffix and folders, and every mistake explained."""

import shutil
from pathlib import Path

import pytest

from vqtool.core.config import PreprocessConfig
from vqtool.data.store import FrameStore
from vqtool.errors import DataError
from vqtool.preprocessing.pipeline import preprocess
from vqtool.preprocessing.test_list import read_test_list

NAMES = ["robot_traj1", "robot_traj2", "a/robot_traj3", "b/robot_traj3", "b/robot_traj4"]


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    return tmp_path / "list.txt"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("robot_traj1", "robot_traj1"),
        ("robot_traj1.hdf5", "robot_traj1"),
        ("/data/RoboNet/hdf5/robot_traj1.hdf5", "robot_traj1"),
        ("hdf5/robot_traj2", "robot_traj2"),
        ("robot_traj4.hdf5", "b/robot_traj4"),
        ("b/robot_traj3", "b/robot_traj3"),
        ("/data/a/robot_traj3.hdf5", "a/robot_traj3"),
        ("  robot_traj1.hdf5  # a note", "robot_traj1"),
    ],
)
def test_a_line_names_the_trajectory_that_it_ends_like(tmp_path: Path, line: str, name: str) -> None:
    assert read_test_list(write(tmp_path, line), NAMES).names == {name}


def test_unknown_names_are_kept_and_the_rest_is_left_out(tmp_path: Path) -> None:
    text = "\ufeff# RoboNet's list\r\nrobot_traj1.hdf5\r\n\r\nrobot_traj9.hdf5\r\nc/robot_traj4\r\nrobot_traj1\r\n"
    listed = read_test_list(write(tmp_path, text), NAMES)
    assert listed.names == {"robot_traj1"}
    assert listed.unknown == ("robot_traj9.hdf5", "c/robot_traj4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("robot_traj3", r"line 1: 'robot_traj3' fits several trajectories \(a/robot_traj3, b/robot_traj3\)"),
        ("x\ny\n", r"none of the 2 names in the test list .* is one of the trajectories \(the first is 'x'\)"),
        ("# nothing\n\n", r"is empty: give a file with one trajectory name a line"),
    ],
)
def test_a_list_that_cannot_be_used_is_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_test_list(write(tmp_path, text), NAMES)


def test_a_missing_or_binary_list_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the test list .*none\.txt: No such file"):
        read_test_list(tmp_path / "none.txt", NAMES)
    with pytest.raises(DataError, match="Is a directory"):
        read_test_list(tmp_path, NAMES)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x9f")
    with pytest.raises(DataError, match="is not text"):
        read_test_list(tmp_path / "binary", NAMES)


def test_the_listed_trajectories_are_the_test_split_and_val_is_drawn_from_the_others(
    small_folder: Path, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    shutil.copytree(small_folder, files)
    names = sorted(file.stem for file in files.glob("*.hdf5"))
    file = write(tmp_path, f"{names[0]}.hdf5\nold/place/{names[3]}\nunknown_traj\n")
    values = {"input": str(files), "output": str(tmp_path / "store"), "min_frames": 8, "size": 16, "val": 2}
    summary = preprocess(PreprocessConfig(**values, workers=1, test_list=str(file)))
    store = FrameStore.open(summary.path)
    splits = {split: {clip.trajectory for clip in store.split(split)} for split in ("train", "val", "test")}
    assert splits["test"] == {names[0], names[3]}
    assert len(splits["val"]) == 2 and splits["train"] | splits["val"] == set(names) - splits["test"]
    assert summary.unknown_test_names == ("unknown_traj",)
    assert "test list" in store.info.split_rule


def test_a_list_that_leaves_nothing_to_train_on(small_folder: Path, tmp_path: Path) -> None:
    names = [file.stem for file in small_folder.glob("*.hdf5")]
    file = write(tmp_path, "\n".join(names[:5]))
    values = {"input": str(small_folder), "output": str(tmp_path / "store"), "val": 1, "workers": 1}
    with pytest.raises(DataError, match=r"1 val and 5 test .* out of 6 .*: set --val lower, or list fewer names"):
        preprocess(PreprocessConfig(**values, test_list=str(file)))
