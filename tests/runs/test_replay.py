import json
import os
from pathlib import Path

import numpy as np
import pytest

from vqtool.errors import RunError
from vqtool.runs.control import send_request
from vqtool.runs.folder import RunFolder, create_run, is_alive, step_name
from vqtool.runs.jsonl import JsonlWriter
from vqtool.runs.previews import PreviewClip, list_previews, list_worst, read_preview, write_preview, write_worst
from vqtool.runs.replay import MAX_GAP_SECONDS, Replay

START = 1_700_000_000.0
NOW = 2_000_000_000.0


def make_clip() -> PreviewClip:
    frames = np.zeros((1, 4, 4, 3), np.uint8)
    return PreviewClip("clip", frames, frames, np.zeros((1, 1, 1), np.uint16), (None,))


@pytest.fixture
def source(tmp_path: Path) -> RunFolder:
    """A run of 10 steps, one a second, with a preview and counts at steps 5 and 10, and a torn line."""
    run = create_run(tmp_path / "runs", "recorded", "[train]\n", {"total_steps": 10, "max_seconds": 100, "error": "x"})
    with JsonlWriter(run.metrics_file) as metrics, JsonlWriter(run.events_file) as events:
        for step in range(1, 11):
            metrics.write({"step": step, "time": START + step, "split": "train", "loss/total": 1.0})
            if step % 5 == 0:
                events.write({"step": step, "time": START + step, "kind": "preview"})
                write_preview(run, step, [make_clip()])
                np.save(run.codebook / f"{step_name(step)}.npy", np.ones(4, int))
    write_worst(run, 10, [make_clip()])
    with run.metrics_file.open("ab") as stream:
        stream.write(b'{"torn": \n')
    run.console_file.write_text("".join(f"line {number}\n" for number in range(9)))
    run.update_status(status="failed", step=10)
    return run


def steps_of(run: RunFolder) -> list[int]:
    lines = run.metrics_file.read_bytes().splitlines() if run.metrics_file.exists() else []
    return [json.loads(line)["step"] for line in lines if b"torn" not in line]


def test_the_folder_grows_as_it_did_but_faster(source: RunFolder, tmp_path: Path) -> None:
    replay = Replay(source, RunFolder(tmp_path / "again"), 3.0, NOW)
    run = replay.run
    assert steps_of(run) == [] and is_alive(run.read_status(), NOW)
    assert replay.advance(NOW + 1.0)
    assert steps_of(run) == [1, 2, 3, 4]
    assert list_previews(run) == []
    status = run.read_status()
    assert (status["status"], status["step"], status["pid"]) == ("running", 4, os.getpid())
    assert (
        status["heartbeat"] == NOW + 1.0 and "error" not in status and status["max_seconds"] == pytest.approx(100 / 3)
    )
    assert replay.advance(NOW + 2.0)
    assert steps_of(run) == [1, 2, 3, 4, 5, 6, 7]
    assert [step for step, _ in list_previews(run)] == [5] and read_preview(list_previews(run)[0][1])
    assert list_worst(run) == [] and [path.name for path in run.codebook.iterdir()] == ["step-00000005.npy"]
    assert 4 <= len(run.console_file.read_text().splitlines()) <= 7
    assert not replay.advance(NOW + 3.0)
    assert steps_of(run) == list(range(1, 11)) and b'{"torn": ' in run.metrics_file.read_bytes()
    assert [step for step, _ in list_previews(run)] == [5, 10] and [step for step, _ in list_worst(run)] == [10]
    assert run.console_file.read_text() == source.console_file.read_text()
    assert run.config_file.read_text() == "[train]\n"
    status = run.read_status()
    assert (status["status"], status["error"], status["step"]) == ("failed", "x", 10)


def test_lines_are_dated_anew(source: RunFolder, tmp_path: Path) -> None:
    replay = Replay(source, RunFolder(tmp_path / "again"), 2.0, NOW)
    replay.advance(NOW + 100)
    records = [json.loads(line) for line in replay.run.metrics_file.read_bytes().splitlines()[:10]]
    assert [record["time"] for record in records] == [NOW + step / 2 for step in range(10)]
    assert all(record["loss/total"] == 1.0 for record in records)


def test_a_pause_of_the_recording_is_shortened(source: RunFolder, tmp_path: Path) -> None:
    with JsonlWriter(source.metrics_file) as metrics:
        metrics.write({"step": 11, "time": START + 500_000, "split": "train"})
    replay = Replay(source, RunFolder(tmp_path / "again"), 1.0, NOW)
    assert replay.advance(NOW + 9 + MAX_GAP_SECONDS - 1)
    assert not replay.advance(NOW + 9 + MAX_GAP_SECONDS)
    assert steps_of(replay.run)[-1] == 11


def test_a_recording_that_broke_off_ends_as_stopped(source: RunFolder, tmp_path: Path) -> None:
    source.update_status(status="running")
    replay = Replay(source, RunFolder(tmp_path / "again"), 1.0, NOW)
    replay.advance(NOW + 1000)
    status = replay.run.read_status()
    assert (status["status"], status["reason"]) == ("stopped", "the recording ends here")


def test_requests_are_answered(source: RunFolder, tmp_path: Path) -> None:
    replay = Replay(source, RunFolder(tmp_path / "again"), 1.0, NOW)
    send_request(replay.run, "stop")
    replay.advance(NOW + 1)
    event = json.loads(replay.run.events_file.read_bytes().splitlines()[-1])
    assert (event["kind"], event["request"], event["answer"]) == ("request", "stop", "only a replay")
    assert list(replay.run.control.iterdir()) == []


def test_nothing_to_replay_is_a_clear_error(tmp_path: Path) -> None:
    run = create_run(tmp_path, "empty", "", {})
    with pytest.raises(RunError, match="has nothing to replay"):
        Replay(run, RunFolder(tmp_path / "again"), 1.0)
    with pytest.raises(RunError, match="is not a run folder"):
        Replay(RunFolder(tmp_path / "none"), RunFolder(tmp_path / "again"), 1.0)
    assert not (tmp_path / "again").exists()
