"""Listing, removing, packing up and exporting runs."""

import csv
import json
import os
import tarfile
import time
from pathlib import Path

import pytest

from vqtool.errors import RunError
from vqtool.runs.export import export_run
from vqtool.runs.folder import RunFolder, create_run
from vqtool.runs.manage import archive_run, describe_runs, remove_run


def make_run(folder: Path, name: str, **facts: object) -> RunFolder:
    run = create_run(folder, name, "", {"total_steps": 10})
    run.update_status(**{"status": "finished", "step": 10, **facts})
    (run.checkpoints / "weights").write_bytes(bytes(1000))
    (run.checkpoints / "latest").symlink_to("weights")
    return run


def test_a_line_says_what_run_json_says(tmp_path: Path) -> None:
    make_run(tmp_path, "good", best={"psnr": [20.5, 4]}, heartbeat=12.0)
    make_run(tmp_path, "dead", status="running", pid=2**22)
    make_run(tmp_path, "odd", best={"psnr": "high"}, step="many", heartbeat=None)
    (make_run(tmp_path, "torn").status_file).write_text("{")
    found = {facts.name: facts for facts in describe_runs(tmp_path)}
    good = found["good"]
    assert (good.status, good.step, good.total_steps, good.best, good.active) == (
        "finished", 10, 10, {"psnr": (20.5, 4)}, 12.0,
    )  # fmt: skip
    files = [path for path in (tmp_path / "good").rglob("*") if path.is_file() and not path.is_symlink()]
    assert good.num_bytes == sum(path.stat().st_size for path in files) > 1000
    assert found["dead"].status == "dead"
    assert (found["odd"].best, found["odd"].step, found["odd"].active) == ({}, 0, None)
    assert found["torn"].status == "damaged"


def test_a_run_at_work_is_neither_removed_nor_packed(tmp_path: Path) -> None:
    run = make_run(tmp_path, "busy", status="running", pid=os.getpid(), heartbeat=time.time())
    for change in (remove_run, archive_run):
        with pytest.raises(RunError, match=f"at work .process {os.getpid()}"):
            change(run)
    assert (run.checkpoints / "weights").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["busy"]


def test_removing_a_run_removes_nothing_else(tmp_path: Path) -> None:
    other = make_run(tmp_path, "other")
    remove_run(make_run(tmp_path, "gone"))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    assert (other.checkpoints / "weights").exists()
    with pytest.raises(RunError, match="not a run folder"):
        remove_run(RunFolder(tmp_path))


def test_a_packed_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = make_run(tmp_path, "packed")
    before = {path.relative_to(run.path): path.is_symlink() or path.read_bytes() for path in run.path.rglob("*.*")}
    file = archive_run(run)
    assert not run.path.exists()
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path, filter="data")
    assert {
        path.relative_to(run.path): path.is_symlink() or path.read_bytes() for path in run.path.rglob("*.*")
    } == before
    assert (run.checkpoints / "latest").read_bytes() == bytes(1000)
    with pytest.raises(RunError, match="exists already"):
        archive_run(run)


def test_exports_hold_every_whole_line(tmp_path: Path) -> None:
    run = make_run(tmp_path, "numbers")
    lines = [
        {"step": 1, "split": "train", "time": 1.0, "loss/total": 0.5},
        {"step": 1, "split": "val", "metric/psnr": None},
    ]
    run.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines) + "torn\n")
    run.events_file.write_text('{"step": 0, "kind": "start"}\n')
    assert export_run(run, tmp_path / "numbers.csv") == 2
    with (tmp_path / "numbers.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows == [
        {"step": "1", "split": "train", "time": "1.0", "loss/total": "0.5", "metric/psnr": ""},
        {"step": "1", "split": "val", "time": "", "loss/total": "", "metric/psnr": ""},
    ]
    export_run(run, tmp_path / "numbers.json")
    content = json.loads((tmp_path / "numbers.json").read_text())
    assert content["metrics"] == lines
    assert content["events"] == [{"step": 0, "kind": "start"}]
    assert content["status"]["name"] == "numbers"
    with pytest.raises(RunError, match=r"none of \.csv, \.json"):
        export_run(run, tmp_path / "numbers.xlsx")


def test_a_log_longer_than_one_slice_is_exported_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path, "long")
    line = json.dumps({"step": 1, "split": "train", "pad": "x" * 1000}) + "\n"
    run.metrics_file.write_text(line * 6000)
    assert export_run(run, tmp_path / "long.csv") == 6000
