"""A run folder taken back to a step: later lines and folders lie aside, names resolve."""

import json
import os
from pathlib import Path

import pytest

from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, create_run, step_name
from vqtool.runs.lock import RunLock
from vqtool.runs.rewind import rewind


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Checkpoints and previews of steps 2, 4 and 6; metrics of every step up to 7; the last line torn."""
    run = create_run(tmp_path, "run", "", {})
    for step in (2, 4, 6):
        for folder in (run.checkpoints, run.previews):
            (folder / step_name(step)).mkdir()
            (folder / step_name(step) / "content").write_text(str(step))
        (run.codebook / f"{step_name(step)}.npy").write_bytes(b"counts")
    for name, step in (("latest", 6), ("best-psnr", 6), ("best-ssim", 4)):
        (run.checkpoints / name).symlink_to(step_name(step))
    lines = [json.dumps({"step": step, "split": "train"}) for step in range(1, 8)]
    run.metrics_file.write_text("\n".join(lines) + '\n{"step": 8, "spl')
    run.events_file.write_text('{"step": 0, "kind": "start"}\nno record\n{"step": 6, "kind": "checkpoint"}\n')
    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def steps(file: Path) -> list[int]:
    return [json.loads(line)["step"] for line in file.read_text().splitlines()]


def test_what_came_later_lies_aside(run: RunFolder) -> None:
    assert rewind(run, 4, {"psnr": 2, "ssim": 4}) == 3 + 1 + 2
    assert steps(run.metrics_file) == [1, 2, 3, 4]
    assert steps(run.events_file) == [0]
    assert names(run.previews) == [step_name(2), step_name(4)]
    assert names(run.codebook) == [f"{step_name(2)}.npy", f"{step_name(4)}.npy"]
    (aside,) = (run.path / "discarded").iterdir()
    assert (aside / "metrics.jsonl").read_text().splitlines()[-1] == '{"step": 8, "spl'
    assert (aside / "events.jsonl").read_text() == 'no record\n{"step": 6, "kind": "checkpoint"}\n'
    assert (aside / "checkpoints" / step_name(6) / "content").read_text() == "6"
    assert (aside / "previews" / step_name(6) / "content").exists()


def test_names_point_at_what_is_left(run: RunFolder) -> None:
    rewind(run, 4, {"psnr": 2, "ssim": 4, "loss": 3})
    links = {path.name: str(path.readlink()) for path in run.checkpoints.iterdir() if path.is_symlink()}
    assert links == {"latest": step_name(4), "best-psnr": step_name(2), "best-ssim": step_name(4)}


def test_a_run_that_needs_no_rewinding_stays_as_it_is(run: RunFolder) -> None:
    rewind(run, 6, {"psnr": 6, "ssim": 4})
    metrics, folders = run.metrics_file.read_bytes(), sorted(run.path.rglob("*"))
    assert rewind(run, 6, {"psnr": 6, "ssim": 4}) == 0
    assert (run.metrics_file.read_bytes(), sorted(run.path.rglob("*"))) == (metrics, folders)


def test_back_to_the_start_leaves_no_name(run: RunFolder) -> None:
    rewind(run, 0, {})
    assert not names(run.checkpoints)
    assert steps(run.metrics_file) == []


def test_unfinished_files_of_a_killed_trainer_go(run: RunFolder) -> None:
    (run.checkpoints / ".step-00000008.1-2.tmp").mkdir()
    (run.checkpoints / ".step-00000002.removed").mkdir()
    (run.path / ".run.json.1-2.tmp").write_text("{")
    rewind(run, 6, {})
    assert not list(run.path.rglob(".*"))


def test_one_trainer_a_run(run: RunFolder) -> None:
    lock = RunLock(run)
    with pytest.raises(RunError, match=f"in use by process {os.getpid()}"):
        RunLock(run)
    lock.release()
    RunLock(run).release()


def test_the_lock_of_a_dead_process_is_taken_over(run: RunFolder) -> None:
    child = os.fork()
    if child == 0:
        RunLock(run)
        os._exit(0)
    os.waitpid(child, 0)
    RunLock(run).release()
