"""Interrupted preprocessing: killed anywhere, the same call continues and makes the bytes of an uninterrupted run."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vqtool.core.config import PreprocessConfig
from vqtool.data.store import FrameStore
from vqtool.errors import DataError, VqtoolError
from vqtool.preprocessing.pipeline import Summary, preprocess

REPOSITORY = Path(__file__).resolve().parents[2]


def settings(folder: Path, output: Path, **changes: object) -> PreprocessConfig:
    values = {"input": str(folder), "output": str(output), "val": 1, "test": 1, "workers": 1} | changes
    return PreprocessConfig.model_validate(values)


def file_contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class StoppedError(Exception):
    pass


def interrupt(folder: Path, output: Path, after: int, **changes: object) -> None:
    """Stop the run from inside, after so many trajectories."""

    def advance(done: int, total: int) -> None:
        if done == after:
            raise StoppedError

    with pytest.raises(StoppedError):
        preprocess(settings(folder, output, **changes), advance)


RUN = """
import os, sys, signal
from pathlib import Path
from vqtool.core.config import PreprocessConfig
from vqtool.data import shards
from vqtool.preprocessing.pipeline import preprocess

# A shell may have started the tests with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
folder, store, workers, commit_seconds, num_bytes, number = sys.argv[1:]
write_all = shards.write_all

def write_until(descriptor, content):
    left = int(num_bytes) - (Path(store) / "frames-00000.npy").stat().st_size
    if len(content) >= left:
        write_all(descriptor, content[:left])
        os.kill(os.getpid(), int(number))
    write_all(descriptor, content)

shards.write_all = write_until
config = PreprocessConfig(input=folder, output=store, val=1, test=1, workers=int(workers))
preprocess(config, commit_seconds=float(commit_seconds))
"""


def run_until(num_bytes: int, kill: signal.Signals, arguments: list[str]) -> tuple[int, bytes]:
    """Run in a process of its own that sends itself `kill` when `num_bytes` of frames are written; exit code, stderr.

    Returns when every process that holds its pipes has ended, workers too.
    """
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", RUN, *arguments, str(num_bytes), str(int(kill))]
    result = subprocess.run(command, capture_output=True, env=environment, timeout=120)
    return result.returncode, result.stderr


def test_killed_again_and_again_with_other_workers_each_time_the_bytes_are_the_same(
    small_folder: Path, small_summary: Summary, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    total = (small_summary.path / "frames-00000.npy").stat().st_size
    rng = np.random.default_rng(5)
    # Commits at every trajectory, so that the kill also falls between journal and shards.
    for workers, share in zip(("2", "1"), np.sort(rng.uniform(0.05, 0.9, 2)), strict=True):
        arguments = [str(small_folder), str(store), workers, "0"]
        code, _ = run_until(int(total * share), signal.SIGKILL, arguments)
        assert code == -signal.SIGKILL
        with pytest.raises(DataError, match="incomplete"):
            FrameStore.open(store)
    summary = preprocess(settings(small_folder, store, workers=2))
    assert summary.num_resumed > 0
    assert file_contents(store) == file_contents(small_summary.path)
    assert summary.info == small_summary.info


def test_ctrl_c_leaves_what_was_done_even_between_commits(
    small_folder: Path, small_summary: Summary, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    arguments = [str(small_folder), str(store), "2", "1000"]
    _, errors = run_until(500_000, signal.SIGINT, arguments)
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    summary = preprocess(settings(small_folder, store))
    assert summary.num_resumed > 0 and summary.num_new_frames < summary.num_frames
    assert file_contents(store) == file_contents(small_summary.path)


def test_an_interrupted_run_is_continued_where_it_was(
    small_folder: Path, small_summary: Summary, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    interrupt(small_folder, tmp_path / "store", after=4)
    calls: list[tuple[int, int]] = []
    summary = preprocess(settings(small_folder, tmp_path / "store"), lambda done, total: calls.append((done, total)))
    assert calls == [(4, 6), (5, 6), (6, 6)]
    assert "after 4 of 6 trajectories" in caplog.text
    assert summary.num_resumed == 4 and 0 < summary.num_new_frames < summary.num_frames
    assert file_contents(tmp_path / "store") == file_contents(small_summary.path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 32}, r"size 64 \(now 32\): run it as before to continue, or remove .* to begin again"),
        ({"val": 2, "seed": 5}, r"val 1 \(now 2\), seed 23 \(now 5\)"),
        ({"limit": 4}, r"limit 0 \(now 4\), input '6 trajectories.*now '4 trajectories"),
    ],
)
def test_other_settings_do_not_continue_it_and_harm_nothing(
    small_folder: Path, small_summary: Summary, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    interrupt(small_folder, tmp_path / "store", after=2)
    before = file_contents(tmp_path / "store")
    with pytest.raises(DataError, match=message):
        preprocess(settings(small_folder, tmp_path / "store", **changes))
    after = file_contents(tmp_path / "store")
    before.pop("unfinished.json"), after.pop("unfinished.json")
    assert after == before


def test_another_input_does_not_continue_it(small_folder: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(small_folder, files)
    interrupt(files, tmp_path / "store", after=2)
    with (files / "cmu_ur5e_traj1873.hdf5").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match=r"begun with input '6 trajectories, names and sizes"):
        preprocess(settings(files, tmp_path / "store"))


def test_a_full_disk_stops_with_one_message_and_the_same_call_continues(
    small_folder: Path, small_summary: Summary, tmp_path: Path
) -> None:
    """A limit on the size of a file stands in for the full disk."""
    store = tmp_path / "store"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
        with pytest.raises(VqtoolError, match="cannot write"):
            preprocess(settings(small_folder, store))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    summary = preprocess(settings(small_folder, store))
    assert summary.num_resumed > 0
    assert file_contents(store) == file_contents(small_summary.path)


def test_killed_after_the_store_was_finished_but_not_tidied(
    small_folder: Path, small_summary: Summary, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    interrupt(small_folder, store, after=6)
    for file in small_summary.path.iterdir():
        shutil.copy(file, store)
    with pytest.raises(DataError, match="seed 23"):
        preprocess(settings(small_folder, store, seed=4))
    summary = preprocess(settings(small_folder, store))
    assert summary.info == small_summary.info and summary.num_new_frames == 0
    assert file_contents(store) == file_contents(small_summary.path)
