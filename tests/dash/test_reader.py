import os
import queue
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vqtool.dash.reader import LISTING_SECONDS, NEWEST_BYTES, RunReader, Update
from vqtool.dash.state import RunState, read_run
from vqtool.dash.watcher import RunWatcher
from vqtool.runs.folder import RunFolder
from vqtool.runs.jsonl import JsonlWriter


def state_after(reader: RunReader, state: RunState, now: float) -> RunState:
    update = reader.poll(now)
    if update is not None:
        state.apply(update)
    return state


def test_whole_run_is_read(recorded: RunFolder) -> None:
    state = read_run(recorded, 0.0)
    assert state.status["status"] == "finished"
    loss = state.metrics.get("train", "loss/total")
    assert loss is not None
    assert loss.step.tolist() == list(range(2, 301, 2))
    assert np.allclose(loss.value, 0.4 + 4 * np.exp(-loss.step / 60))
    assert state.metrics.latest("val", "metric/psnr") == 18
    assert [event["kind"] for event in state.events] == ["start", *["evaluation"] * 3, "finish"]
    assert [step for step, _ in state.previews] == [step for step, _ in state.codebooks] == [100, 200, 300]
    assert state.codebook is not None and state.codebook.step == 300
    assert np.count_nonzero(state.codebook.counts) == 48
    assert list(state.console)[-1] == "step 300"
    assert state.bad_lines == 0


def test_nothing_new_is_no_update(run: RunFolder) -> None:
    reader = RunReader(run)
    assert reader.poll(0.0) is not None
    assert reader.poll(0.0) is None
    assert reader.poll(LISTING_SECONDS) is None


def test_growth_arrives_piece_by_piece(
    run: RunFolder, log_step: Callable[[RunFolder, int], None], keep_preview: Callable[[RunFolder, int], Path]
) -> None:
    reader, state = RunReader(run), RunState(run)
    state_after(reader, state, 0.0)
    log_step(run, 302)
    run.update_status(step=302)
    keep_preview(run, 302)
    with run.console_file.open("a") as console:
        console.write("step 302\nhalf a li")
    state_after(reader, state, LISTING_SECONDS)
    assert state.metrics.latest("val", "metric/psnr") == 18.02
    assert state.status["step"] == 302
    assert state.previews[-1][0] == 302
    assert list(state.console)[-1] == "step 302"
    assert state.events[-1]["step"] == 302


def test_preview_completed_inside_its_folder_is_found(run: RunFolder) -> None:
    index = run.previews / "step-00000300" / "preview.json"
    content = index.read_bytes()
    index.unlink()
    reader, state = RunReader(run), RunState(run)
    assert state_after(reader, state, 0.0).previews[-1][0] == 200
    index.write_bytes(content)
    assert state_after(reader, state, LISTING_SECONDS).previews[-1][0] == 300


def test_empty_folder_becomes_a_run(tmp_path: Path, recorded: RunFolder) -> None:
    run = RunFolder(tmp_path / "later")
    reader, state = RunReader(run), RunState(run)
    state_after(reader, state, 0.0)
    assert state.status_error is not None and "later" in state.status_error
    assert reader.poll(0.0) is None, "the same error is told once"
    shutil.copytree(recorded.path, run.path)
    state_after(reader, state, LISTING_SECONDS)
    assert state.status_error is None
    assert len(state.metrics.items()) == 19


def test_long_log_is_read_newest_part_first(run: RunFolder) -> None:
    steps = range(302, 20_302)
    with run.metrics_file.open("a") as stream:
        for step in steps:
            stream.write(f'{{"step": {step}, "time": {step}.0, "split": "train", "loss/total": {step}.5, "x": 0.0}}\n')
    assert run.metrics_file.stat().st_size > NEWEST_BYTES
    poller, earlier = RunReader(run), []
    while (update := poller.poll(0.0)) is not None:
        earlier += update.earlier_metrics
    # Of several pieces read at once, so that nothing has to be sorted.
    assert len(earlier) > 0 and all(np.all(np.diff(columns.step) > 0) for columns in earlier)
    reader, state = RunReader(run), RunState(run)
    loss = state_after(reader, state, 0.0).metrics.get("train", "loss/total")
    assert loss is not None and loss.last == (20_301, 20_301.5) and loss.step[0] > 302
    assert reader.more and 0 < state.share_unread < 1
    while reader.more:
        state_after(reader, state, 0.0)
    assert loss.step.tolist() == [*range(2, 301, 2), *steps]
    assert state.share_unread == 0
    assert state.metrics.latest("val", "metric/psnr") == 18


def test_long_log_that_vanishes_while_it_is_read_is_no_endless_loop(run: RunFolder) -> None:
    with run.metrics_file.open("a") as stream:
        stream.writelines(f'{{"step": {step}, "split": "train", "x": 0.0}}\n' for step in range(40_000))
    reader, state = RunReader(run), RunState(run)
    state_after(reader, state, 0.0)
    run.metrics_file.unlink()
    state_after(reader, state, 0.0)
    assert not reader.more


def test_vanished_run_keeps_what_is_known(run: RunFolder) -> None:
    reader, state = RunReader(run), RunState(run)
    state_after(reader, state, 0.0)
    shutil.rmtree(run.path)
    state_after(reader, state, LISTING_SECONDS)
    assert state.status_error is not None
    assert state.status["name"] == "recorded"
    assert len(state.metrics.items()) == 19


def test_replaced_log_starts_the_series_anew(run: RunFolder) -> None:
    reader, state = RunReader(run), RunState(run)
    state_after(reader, state, 0.0)
    run.metrics_file.write_text('{"step": 1, "time": 1.0, "split": "train", "loss/total": 9.0}\n')
    run.events_file.write_text('{"step": 0, "time": 1.0, "kind": "start"}\n')
    state_after(reader, state, 0.0)
    assert [key for key, _ in state.metrics.items()] == [("train", "loss/total")]
    assert len(state.events) == 1


def test_damaged_files_cost_only_themselves(run: RunFolder) -> None:
    with run.metrics_file.open("ab") as stream:
        stream.write(b'\xff\x00garbage\n{"step": "x"}\n[]\n' + os.urandom(3000).replace(b"\n", b"") + b"\n")
    with run.events_file.open("ab") as stream:
        stream.write(b"{]\n")
    run.status_file.write_bytes(b"{")
    (run.codebook / "step-00000400.npy").write_bytes(b"\x93NUMPY")
    np.save(run.codebook / "step-00000500.npy", np.array([[1.5]]))
    np.save(run.codebook / "step-00000600.npy", np.zeros((0,), np.int64))
    (run.previews / "step-00000400").mkdir()
    state = read_run(run, 0.0)
    assert state.bad_lines == 5
    assert state.metrics.latest("train", "speed/frames_per_second") == 130.5
    assert state.codebook is not None and state.codebook.step == 300
    assert state.previews[-1][0] == 300
    assert state.status_error is not None


def test_resume_event_drops_the_old_future(run: RunFolder) -> None:
    when = 1_700_001_000.0
    with JsonlWriter(run.events_file) as events, JsonlWriter(run.metrics_file) as metrics:
        metrics.write({"step": 202, "time": when + 1, "split": "train", "loss/total": 5.0})
        events.write({"step": 200, "time": when, "kind": "resume"})
    loss = read_run(run, 0.0).metrics.get("train", "loss/total")
    assert loss is not None and loss.last == (202, 5.0)


def test_watcher_delivers_and_outlives_errors(run: RunFolder, log_step: Callable[[RunFolder, int], None]) -> None:
    delivered: queue.Queue[Update] = queue.Queue()
    num_calls = 0

    def deliver(update: Update) -> None:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 1:
            raise RuntimeError("the first delivery fails")
        delivered.put(update)

    watcher = RunWatcher(run, deliver, poll_seconds=0.01)
    watcher.start()
    deadline = time.monotonic() + 30
    while num_calls == 0 and time.monotonic() < deadline:
        os.sched_yield()
    log_step(run, 400)
    update = delivered.get(timeout=30)
    watcher.stop()
    assert max(int(columns.step.max()) for columns in update.metrics) == 400
