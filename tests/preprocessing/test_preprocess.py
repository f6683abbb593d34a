"""Preprocessing end to end: right pixels, right splits, the same bytes always, and no file that stops it."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from robonet_oracle import read_robonet

from vqtool.core.config import PreprocessConfig
from vqtool.data.skipped import Skipped
from vqtool.data.store import FrameStore
from vqtool.errors import DataError
from vqtool.preprocessing.pipeline import Summary, preprocess


def settings(folder: Path, output: Path, **changes: object) -> PreprocessConfig:
    values = {"input": str(folder), "output": str(output), "val": 1, "test": 1, "workers": 1} | changes
    return PreprocessConfig.model_validate(values)


def file_contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_every_stored_pixel_is_robonets_and_opencvs(small_folder: Path, small_summary: Summary) -> None:
    store = FrameStore.open(small_summary.path)
    expected = {file.stem: read_robonet(file, 64) for file in small_folder.glob("*.hdf5")}
    assert {clip.trajectory for clip in store.clips} == set(expected) - {"berkeley_sawyer_traj1274"}
    for clip in store.clips:
        np.testing.assert_array_equal(store.read(clip), expected[clip.trajectory][clip.camera])
        assert clip.source == f"{clip.trajectory}.hdf5" and clip.robot in clip.trajectory


def test_every_camera_is_stored_and_a_trajectory_is_in_one_split(small_summary: Summary) -> None:
    store = FrameStore.open(small_summary.path)
    splits: dict[str, set[str]] = {}
    for clip in store.clips:
        splits.setdefault(clip.trajectory, set()).add(clip.split)
    assert len(store.clips) == 12 and all(len(split) == 1 for split in splits.values())
    counts = {split: counts.trajectories for split, counts in store.info.splits.items()}
    assert counts == {"train": 3, "val": 1, "test": 1}


def test_states_and_actions_lie_beside_the_frames(small_folder: Path, small_summary: Summary) -> None:
    store = FrameStore.open(small_summary.path)
    states, actions = (np.load(store.path / f"{name}-00000.npy") for name in ("states", "actions"))
    assert len(states) == len(actions) == small_summary.num_frames
    for clip in store.clips:
        with h5py.File(small_folder / clip.source) as file:
            recorded = file["env/state"][:], file["policy/actions"][:]
        rows = slice(clip.start, clip.start + clip.length)
        np.testing.assert_array_equal(states[rows, : clip.state_dim], recorded[0].astype(np.float32))
        np.testing.assert_array_equal(actions[rows, : clip.action_dim][:-1], recorded[1].astype(np.float32))
        assert np.isnan(actions[rows, clip.action_dim :]).all() and np.isnan(actions[rows][-1]).all()


def test_mean_and_std_are_those_of_the_train_split(small_summary: Summary) -> None:
    store = FrameStore.open(small_summary.path)
    pixels = np.concatenate([store.read(clip) for clip in store.split("train")]).reshape(-1, 3) / 255
    np.testing.assert_allclose(store.info.mean, pixels.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(store.info.std, pixels.std(axis=0), rtol=1e-9)


def test_what_is_too_short_is_counted_with_its_reason(small_summary: Summary) -> None:
    name = "berkeley_sawyer_traj1274"
    reason = "8 usable frames, fewer than 12"
    assert small_summary.info.skipped == (Skipped(name, f"{name}.hdf5", "too short", reason),)


def test_bytes_do_not_depend_on_workers_or_order_of_files(
    small_folder: Path, small_summary: Summary, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    for file in sorted(small_folder.glob("*.hdf5"), reverse=True):
        shutil.copy(file, tmp_path / "files")
    preprocess(settings(tmp_path / "files", tmp_path / "store", workers=1))
    assert file_contents(tmp_path / "store") == file_contents(small_summary.path)


def test_bad_files_are_skipped_with_reasons_and_stop_nothing(small_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(small_folder, folder)
    whole = (folder / "cmu_ur5e_traj1873.hdf5").read_bytes()
    (folder / "truncated.hdf5").write_bytes(whole[: len(whole) // 2])
    (folder / "text.hdf5").write_text("hello")
    (folder / "empty.hdf5").touch()
    (folder / "folder.hdf5").mkdir()
    with h5py.File(folder / "other.hdf5", "w") as file:
        file["x"] = 1
    shutil.copy(folder / "cmu_ur5e_traj1873.hdf5", folder / "webm.hdf5")
    with h5py.File(folder / "webm.hdf5", "r+") as file:
        file["env"].attrs["cam_encoding"] = "webm"
    calls: list[tuple[int, int]] = []
    summary = preprocess(
        settings(folder, tmp_path / "store", workers=2), advance=lambda done, total: calls.append((done, total))
    )
    kinds = {skip.trajectory: skip.kind for skip in summary.info.skipped}
    assert kinds == {
        "berkeley_sawyer_traj1274": "too short",
        "truncated": "damaged",
        "text": "foreign",
        "empty": "damaged",
        "folder": "foreign",
        "other": "foreign",
        "webm": "unknown encoding",
    }
    assert len(FrameStore.open(summary.path).clips) == 12
    assert calls == [(done, 12) for done in range(1, 13)]


def test_a_limit_takes_a_part_of_the_whole_in_the_same_splits(
    small_folder: Path, small_summary: Summary, tmp_path: Path
) -> None:
    part = preprocess(settings(small_folder, tmp_path / "store", limit=4, min_frames=1))
    whole = preprocess(settings(small_folder, tmp_path / "whole", min_frames=1))
    part_splits, whole_splits = (
        {clip.clip: clip.split for clip in FrameStore.open(summary.path).clips} for summary in (part, whole)
    )
    assert len({name.split("/")[0] for name in part_splits}) == 4
    assert part_splits.items() <= whole_splits.items()


def test_the_synthetic_source_needs_no_input(tmp_path: Path) -> None:
    config = settings(tmp_path / "none", tmp_path / "store", source="synthetic", limit=3, size=32)
    store = FrameStore.open(preprocess(config).path)
    assert len(store.clips) == 6 and store.info.source == "synthetic" and store.info.size == 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": 4, "test": 2}, r"4 val and 2 test .* out of 6 trajectories: .*--val 1 --test 1"),
        ({"val": 3, "test": 2}, r"out of 5 usable trajectories \(1 were skipped\)"),
        ({"min_frames": 500}, r"none of the 6 trajectories can be used: 6 too short; the first, .* fewer than 500"),
        ({"input": "/nowhere/at/all"}, "no input folder /nowhere/at/all"),
    ],
)
def test_settings_that_leave_nothing_to_train_on(
    small_folder: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        preprocess(settings(small_folder, tmp_path / "store", **changes))
    assert list(tmp_path.iterdir()) == []


def test_a_complete_store_is_not_made_again(small_folder: Path, small_summary: Summary) -> None:
    with pytest.raises(DataError, match="complete frame store already: choose another --output"):
        preprocess(settings(small_folder, small_summary.path))
