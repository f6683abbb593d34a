import re
from pathlib import Path

from vqtool.core.config import Config
from vqtool.core.config_file import config_from_table, dump_config
from vqtool.dash.overview import Comparison, compare, overview_lines
from vqtool.dash.state import RunState, read_run
from vqtool.dash.summary import eta_text, summarise
from vqtool.runs.folder import RunFolder, create_run
from vqtool.runs.jsonl import JsonlWriter


def text_of(run: RunFolder, comparison: Comparison | None = None, now: float = 1_700_000_100.0) -> str:
    state = read_run(run, now)
    return "\n".join(overview_lines(state, summarise(state, now), comparison or compare(run, None)))


def test_the_overview_tells_what_the_run_is_and_takes(run: RunFolder) -> None:
    run.update_status(
        command="vqtool train --config tiny",
        versions={"vqtool": "0.1.0", "torch": "2.13.0"},
        git_revision="abc123",
        num_parameters=6_626_432,
        best={"psnr": [21.5, 300]},
        reason="all 300 steps done",
    )
    with JsonlWriter(run.metrics_file) as metrics:
        metrics.write(
            {"step": 302, "time": 1_700_000_031.0, "split": "train", "system/cpu_cores": 1.9, "system/memory_gib": 2.5}
            | {"system/gpu_memory_gib": 11.25, "system/gpu_load": 0.87}
        )
    text = text_of(run)
    for fact in (
        "finished all 300 steps done",
        "vqtool train --config tiny",
        "vqtool 0.1.0  torch 2.13.0  python 3.",
        "abc123",
        "6626k parameters",
        "best psnr   21.5 at step 300",
        "130.5 frames/s",
        "1% of the time",
        "1.9 cores busy",
        "2.5 GiB",
        "GPU memory  11.25 GiB",
        "GPU load    87%",
    ):
        assert fact in text


def test_what_differs_from_another_run_is_listed(tmp_path: Path) -> None:
    here = config_from_table({"train": {"batch_size": 8}}, "test")
    there = config_from_table({"train": {"batch_size": 4}, "optim": {"lr": 0.5}}, "test")
    run = create_run(tmp_path, "here", dump_config(here), {})
    create_run(tmp_path, "there", dump_config(there), {})
    comparison = compare(run, 0)
    text = text_of(run, comparison)
    assert "differs from there in 2 settings" in text
    assert "train.batch_size: 8   there 4" in text
    assert f"optim.lr: {Config().optim.lr}   there 0.5" in text
    assert compare(run, 5).other_name == "there", "numbers go around"
    assert "compare with one of 1 other runs" in text_of(run)


def test_configs_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    run = create_run(tmp_path, "here", "[train]\nsteps = 1\n", {})
    assert "there is no other run" in text_of(run, compare(run, 0)) and "train.steps = 1" in text_of(run)
    other = create_run(tmp_path, "other", "x = 1\n" * (1 << 18), {})
    assert "cannot read the config of other" in text_of(run, compare(run, 0))
    assert f"{other.config_file} has more than" in text_of(run, compare(run, 0))
    run.config_file.write_text("[train\n")
    assert "cannot read the config of here" in text_of(run)
    run.config_file.unlink()
    assert "cannot read the config of here" in text_of(run)


def test_a_status_of_nonsense_is_survived(run: RunFolder) -> None:
    run.update_status(versions=3, best={"psnr": "x", "loss": [None, 1]}, num_parameters="many", started="yesterday")
    assert "parameters" not in text_of(run)
    assert "–" in "\n".join(overview_lines(RunState(run), summarise(RunState(run), 0.0), Comparison({})))


def test_the_time_left_has_a_range(tmp_path: Path) -> None:
    run = create_run(tmp_path, "run", "", {"total_steps": 1000})
    time = 1_700_000_000.0
    with JsonlWriter(run.metrics_file) as metrics:
        for step in range(101):
            # The second half is half as fast: 10 and 5 steps a second.
            time += 0.1 if step <= 50 else 0.2
            metrics.write({"step": step, "time": time, "split": "train", "loss/total": 1.0})
    state = read_run(run, time)
    summary = summarise(state, time)
    assert summary.eta_range_seconds is not None and summary.eta_seconds is not None
    shortest, longest = summary.eta_range_seconds
    assert abs(shortest - 90) < 1 and abs(longest - 180) < 1 and abs(summary.eta_seconds - 135) < 2
    assert re.fullmatch(r"2m 1[456]s \((1m 29s|1m 30s)–(2m 59s|3m 00s)\)", eta_text(summary))
    assert summary.json_object()["eta_range_seconds"] == [shortest, longest]
