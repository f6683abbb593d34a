import os
import time
from dataclasses import replace

import numpy as np
import pytest

from vqtool.dash.alarms import find_alarms
from vqtool.dash.columns import columns_of
from vqtool.dash.reader import CodebookUsage
from vqtool.dash.state import RunState, read_run
from vqtool.runs.folder import STALE_SECONDS, RunFolder
from vqtool.runs.jsonl import JsonlWriter


def kinds(state: RunState, now: float) -> list[str]:
    return [alarm.kind for alarm in find_alarms(state, now)]


def usage(state: RunState, *counts: int) -> RunState:
    return replace(state, codebook=CodebookUsage(300, np.array(counts)))


def log(state: RunState, step: int, **values: float | None) -> None:
    record = {"step": step, "time": 0.0, "split": "train", **{f"loss/{key}": value for key, value in values.items()}}
    for columns in columns_of([record])[0]:
        state.metrics.append(columns)


def test_sound_run_has_none(recorded: RunFolder, live: RunFolder) -> None:
    now = time.time()
    assert kinds(read_run(recorded, now), now) == []
    live.update_status(heartbeat=now)
    assert kinds(read_run(live, now), now) == []


def test_failed_run_tells_its_error(run: RunFolder) -> None:
    run.update_status(status="failed", error="out of memory")
    [alarm] = find_alarms(read_run(run, 0.0), 0.0)
    assert alarm.kind == "failed" and "out of memory" in alarm.evidence and "--resume" in alarm.remedy


def test_gone_process_is_dead_and_a_silent_one_stalled(live: RunFolder) -> None:
    live.update_status(heartbeat=1000.0)
    state = read_run(live, 0.0)
    assert kinds(state, 1000.0 + STALE_SECONDS - 1) == []
    assert kinds(state, 1000.0 + STALE_SECONDS + 1) == ["stalled"]
    live.update_status(pid=2**80)
    assert kinds(read_run(live, 0.0), 1000.0) == ["dead"]
    live.update_status(pid=os.getpid(), host="elsewhere")
    assert kinds(read_run(live, 0.0), 1000.0 + STALE_SECONDS + 1) == ["dead"]


def test_loss_that_is_no_number_is_an_alarm_until_it_recovered(run: RunFolder) -> None:
    state = read_run(run, 0.0)
    log(state, 302, total=1.0, pixel=None)
    [alarm] = find_alarms(state, 0.0)
    assert alarm.kind == "non-finite" and "loss/pixel" in alarm.evidence and "302" in alarm.evidence
    for step in range(304, 320, 2):
        log(state, step, total=1.0, pixel=1.0)
    assert kinds(state, 0.0) == []


@pytest.mark.parametrize(
    ("counts", "collapsed"),
    [
        ([1000] + [0] * 1023, True),
        ([100] * 51 + [0] * 973, True),
        ([100] * 52 + [0] * 972, False),
        ([1] * 20 + [0] * 1004, False),
        ([5] * 16, False),
        ([80, 0, 0], True),
        ([0] * 64, False),
    ],
)
def test_collapse_is_judged_by_the_codes_that_could_be_reached(
    recorded: RunFolder, counts: list[int], collapsed: bool
) -> None:
    state = usage(read_run(recorded, 0.0), *counts)
    assert ("collapse" in kinds(state, 0.0)) is collapsed


def test_many_dead_codes_are_an_alarm_from_the_second_evaluation_on(recorded: RunFolder) -> None:
    state = usage(read_run(recorded, 0.0), *[10] * 200, *[0] * 824)
    assert kinds(state, 0.0) == ["dead-codes"]
    assert kinds(replace(state, codebooks=state.codebooks[:1]), 0.0) == []
    assert kinds(usage(state, *[10] * 256, *[0] * 768), 0.0) == []


@pytest.mark.parametrize("kind", ["spike", "commitment", "starvation", "still"])
def test_the_trainers_alarms_last_some_minutes_while_it_lives(live: RunFolder, kind: str) -> None:
    now = time.time()
    live.update_status(heartbeat=now)
    with JsonlWriter(live.events_file) as events:
        for step, when in ((250, now - 400), (280, now - 60)):
            events.write({"step": step, "time": when, "kind": "alarm", "alarm": kind, "evidence": f"seen at {step}"})
        events.write({"step": 300, "time": now, "kind": "alarm", "alarm": 7})
        events.write({"step": 300, "time": now, "kind": "alarm"})
    state = read_run(live, now)
    [alarm] = find_alarms(state, now)
    assert (alarm.kind, alarm.evidence) == (kind, f"{kind} at step 280: seen at 280") and alarm.remedy
    later = replace(state, status={**state.status, "heartbeat": now + 600})
    assert find_alarms(later, now + 600) == []
    assert kinds(replace(state, status={**state.status, "status": "finished"}), now) == []


def test_a_hanging_step_is_told_with_its_place(live: RunFolder) -> None:
    now = time.time()
    live.update_status(heartbeat=now)
    with JsonlWriter(live.events_file) as events:
        events.write({"step": 12, "time": now, "kind": "stall", "seconds": 130, "where": "loader.py:7"})
    [alarm] = find_alarms(read_run(live, now), now)
    assert (alarm.kind, alarm.evidence) == ("stall", "stall at step 12: a step hangs since 130 s at loader.py:7")


@pytest.mark.parametrize("status", [{}, {"status": "running", "heartbeat": "x"}, {"status": 7, "pid": []}])
def test_odd_status_never_fails(recorded: RunFolder, status: dict[str, object]) -> None:
    find_alarms(replace(read_run(recorded, 0.0), status=status), 0.0)
