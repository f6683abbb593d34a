import json
import time

import pytest
from typer.testing import CliRunner

from vqtool.cli.app import app
from vqtool.dash.picker import entry_of
from vqtool.dash.state import read_run
from vqtool.dash.summary import summarise, summary_lines
from vqtool.errors import RunError, VqtoolError
from vqtool.runs.folder import RunFolder
from vqtool.runs.jsonl import JsonlWriter

START = 1_700_000_000.0


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["dash", *map(str, arguments)])


def test_once_prints_the_facts(recorded: RunFolder) -> None:
    result = invoke(recorded.path, "--once")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("run       recorded (")
    assert "step      300 of 300 (100%)" in lines
    assert "time      30s elapsed" in lines
    assert "  metric/psnr                18 dB" in lines
    assert "  speed/frames_per_second    130.5 frames/s" in lines
    assert "codebook  48 of 64 codes used" in lines
    assert "preview   step 300" in lines
    assert "event     step 300 finish" in lines


def test_json_says_the_same(recorded: RunFolder) -> None:
    for arguments in (["--once", "--json"], ["--json"]):
        result = invoke(recorded.path.parent, *arguments)
        assert result.exit_code == 0
        facts = json.loads(result.stdout)
        assert (facts["name"], facts["status"], facts["step"], facts["total_steps"]) == (
            "recorded",
            "finished",
            300,
            300,
        )
        assert facts["metrics"]["val"]["metric/psnr"] == 18
        assert facts["metric_steps"] == {"train": 300, "val": 300}
        assert (facts["codes_used"], facts["codebook_size"]) == (48, 64)
        assert facts["alarms"] == []


def test_alarm_is_exit_code_3(run: RunFolder) -> None:
    run.update_status(status="failed", error="disk full")
    with JsonlWriter(run.metrics_file) as metrics:
        metrics.write({"step": 302, "time": START, "split": "train", "loss/total": float("nan")})
    text = invoke(run.path, "--once")
    assert text.exit_code == 3
    assert [line.split(";")[0] for line in text.stdout.splitlines() if line.startswith("ALARM")] == [
        "ALARM     the run failed: disk full",
        "ALARM     train loss/total is not a number at step 302",
    ]
    result = invoke(run.path, "--json")
    assert result.exit_code == 3
    facts = json.loads(result.stdout)
    assert facts["metrics"]["train"]["loss/total"] is None
    assert [alarm["kind"] for alarm in facts["alarms"]] == ["failed", "non-finite"]


def test_estimate_follows_the_rate_and_the_wall_budget(live: RunFolder) -> None:
    live.update_status(started=START, heartbeat=START + 30)
    summary = summarise(read_run(live, 0.0), START + 31)
    assert summary.alive
    assert summary.steps_per_second == pytest.approx(10)
    assert summary.eta_seconds == pytest.approx(30)
    assert summary.elapsed_seconds == pytest.approx(31)
    assert summary.heartbeat_age_seconds == pytest.approx(1)
    live.update_status(max_seconds=45)
    summary = summarise(read_run(live, 0.0), START + 31)
    assert summary.eta_seconds == pytest.approx(14) and summary.share_done == pytest.approx(30 / 45)
    live.update_status(seconds=36)
    summary = summarise(read_run(live, 0.0), START + 31)
    assert summary.eta_seconds == pytest.approx(8) and summary.share_done == pytest.approx(36 / 45)
    live.update_status(seconds=1)
    assert summarise(read_run(live, 0.0), START + 31).share_done == 0.5


def test_run_that_used_up_its_wall_budget_is_all_done(run: RunFolder) -> None:
    run.update_status(total_steps=1_000_000, max_seconds=30, seconds=29.5)
    assert "step      300 of 1,000,000 (100%)" in invoke(run.path, "--once").stdout
    assert "step 300/1,000,000 (100%)" in entry_of(run, START).text
    run.update_status(status="stopped")
    assert "(98%)" in entry_of(run, START).text and summarise(read_run(run, 0.0), START).share_done == pytest.approx(
        29.5 / 30
    )


def test_run_without_anything_yet_is_printed(tmp_path, run: RunFolder) -> None:
    empty = RunFolder(tmp_path / "empty")
    empty.path.mkdir()
    empty.status_file.write_text("{}")
    lines = list(summary_lines(summarise(read_run(empty, 0.0), time.time())))
    assert lines[:3] == [f"run       empty ({empty.path})", "status    unknown", "step      0"]


def test_hostile_text_is_printed_harmless(run: RunFolder) -> None:
    run.update_status(name="\x1b]0;pwned\x07[red]x", status="\x1b[2J", device="\ud800")
    with JsonlWriter(run.metrics_file) as metrics, JsonlWriter(run.events_file) as events:
        metrics.write({"step": 400, "time": START, "split": "\x1b[31m", "\x1b[5mloss": 1.0})
        events.write({"step": 400, "kind": "\x1b[31m", "text": "\r\n\x07"})
    for arguments in ([], ["--json"]):
        result = invoke(run.path, "--once", *arguments)
        assert result.exit_code == 0
        assert all(character.isprintable() or character == "\n" for character in result.stdout)
    assert "[red]x" in result.stdout


def test_wrong_paths_say_what_to_do(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        (["--once"], "no folder runs"),
        ([tmp_path, "--once"], "no run in"),
        ([tmp_path / "x"], "no folder"),
    ):
        error = invoke(*arguments).exception
        assert isinstance(error, RunError) and message in str(error) and "vqtool train" in str(error)


def test_run_name_alone_is_found_in_runs(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.path.parents[1])
    assert invoke("recorded", "--once").exit_code == 0


def test_without_a_terminal_it_says_so(recorded: RunFolder) -> None:
    error = invoke(recorded.path).exception
    assert isinstance(error, VqtoolError) and "--once" in str(error)
