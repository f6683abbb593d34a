"""The commands as a user runs them, judged by output and exit code."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import imageio.v3 as iio
import pytest

from vqtool import __version__
from vqtool.cli import main
from vqtool.core.presets import preset_names
from vqtool.errors import ConfigError
from vqtool.runs.folder import RunFolder

TRAIN = [
    "train", "--config", "tiny.toml", "--run", "first", "--set", "model.resolution=32", "--set", "model.channels=8",
    "--set", "model.channel_multipliers=[1,2]", "--set", "train.steps=4",
    "--set", "model.quantizer.codebook_size=16", "--set", "train.batch_size=4", "--set", "eval.clip_frames=4",
    "--set", "train.precision=fp32",
]  # fmt: skip


class Result(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def vqtool(*arguments: str | Path, folder: Path | None = None) -> Result:
    """Run the command line in this process, in `folder`: a process of its own would import torch every time."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.chdir(folder or Path.cwd())
        patch.setattr(sys, "argv", ["vqtool", *map(str, arguments)])
        patch.setenv("COLUMNS", "100")
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Result(code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture(scope="module")
def trained(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `vqtool train` made runs/first."""
    folder = tmp_path_factory.mktemp("trained")
    result = vqtool(*TRAIN, "--data", small_store, folder=folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_help_loads_nothing_heavy() -> None:
    code = "import sys\nfrom vqtool.cli import main\ntry:\n main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    help_text, modules = result.stdout.rsplit("\n", 2)[0], set(result.stdout.split())
    assert "reconstruct" in help_text
    assert not {"torch", "numpy", "textual", "pydantic", "h5py", "av", "scipy"} & modules


def test_a_folder_that_is_gone_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setattr(sys, "argv", ["vqtool", "doctor"])
    stderr = io.StringIO()
    with redirect_stderr(stderr), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert stderr.getvalue() == "error: the current folder no longer exists: change to another one (cd)\n"


def test_the_installed_script_and_the_module_are_the_same_program() -> None:
    script = [str(Path(sys.executable).with_name("vqtool")), "--version"]
    for command in (script, [sys.executable, "-m", "vqtool", "--version"]):
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"vqtool {__version__}\n"


@pytest.mark.parametrize("name", preset_names())
def test_presets_show_from_any_folder(name: str, tmp_path: Path) -> None:
    shown = vqtool("config", "show", name, folder=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "[model.quantizer]" in shown.stdout


def test_the_schema_is_json_with_descriptions() -> None:
    schema = json.loads(vqtool("config", "schema").stdout)
    assert schema["$defs"]["OptimConfig"]["properties"]["lr"]["description"]


def test_a_mistake_is_one_message_without_a_traceback_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[train]\nstepz = 1\n")
    result = vqtool("config", "check", "my.toml", folder=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: 1 mistake in the config:")
    with pytest.raises(ConfigError):
        vqtool("config", "check", "my.toml", "--debug", folder=tmp_path)


def test_a_usage_error_exits_2() -> None:
    assert vqtool("train", "--nonsense").returncode == 2


def test_train_writes_a_run_and_says_what_next(trained: Path) -> None:
    run = RunFolder(trained / "runs" / "first")
    assert run.read_status()["status"] == "finished"
    assert "vqtool train --config tiny.toml" in run.read_status()["command"]
    assert "step 4: checkpoint" in run.console_file.read_text()


def test_a_run_name_that_exists_is_refused_with_both_ways_out(trained: Path, small_store: Path) -> None:
    result = vqtool(*TRAIN, "--data", small_store, folder=trained)
    assert result.returncode == 1
    assert "choose another --run name, or continue that run with --run first --resume" in result.stderr
    assert "Traceback" not in result.stderr


def test_resume_goes_on_where_it_stopped(trained: Path) -> None:
    result = vqtool("train", "--run", "first", "--resume", "--set", "train.steps=6", folder=trained)
    assert result.returncode == 0, result.stderr
    steps = [json.loads(line)["step"] for line in (trained / "runs/first/metrics.jsonl").read_text().splitlines()]
    assert steps[-1] == 6
    status = RunFolder(trained / "runs/first").read_status()
    assert (status["status"], status["step"], status["total_steps"]) == ("finished", 6, 6)


def test_eval_prints_a_table_and_the_same_as_json(trained: Path, tmp_path: Path) -> None:
    run = trained / "runs" / "first"
    arguments = ["eval", "--checkpoint", run, "--split", "test"]
    table, as_json = vqtool(*arguments, folder=tmp_path), vqtool(*arguments, "--json", folder=tmp_path)
    assert table.returncode == as_json.returncode == 0, table.stderr
    record = json.loads(as_json.stdout)
    assert set(record["scores"]) == {"model", "mean frame", "copy previous"}
    psnr = record["scores"]["model"]["psnr"]
    assert f"{psnr:.2f}" in table.stdout
    assert (record["tokens_per_frame"], record["bits_per_frame"]) == (16, 64)
    assert "PSNR dB" in table.stdout


def test_reconstruct_writes_pictures_of_clips_and_of_a_video(trained: Path, tmp_path: Path) -> None:
    run = trained / "runs" / "first"
    clips = vqtool(
        "reconstruct", "--checkpoint", run, "--clips", "2", "--scale", "1", "--output", "out", folder=tmp_path
    )
    assert clips.returncode == 0, clips.stderr
    written = sorted((tmp_path / "out").iterdir())
    assert [path.suffix for path in written] == [".gif", ".mp4", ".png"] * 2
    assert iio.imread(written[0]).shape == (4, 32, 3 * 32 + 2 * 2, 3)
    assert iio.imread(written[2]).shape == (3 * 32 + 2 * 2, 4 * 32 + 3 * 2, 3)
    video = vqtool("reconstruct", "--checkpoint", run, "--input", written[1], "--output", "again.png", folder=tmp_path)
    assert video.returncode == 0, video.stderr
    assert "PSNR" in video.stdout
    assert (tmp_path / "again.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--config", "tiny", "--data", "nowhere"], "nowhere"),
        (["train", "--config", "tiny", "--data", "nowhere", "--dry-run"], "nowhere"),
        (["train", "--config", "tinny"], "did you mean tiny.toml"),
        (["train", "--resume", "--run", "nowhere"], "no run 'nowhere'"),
        (["train", "--config", "tiny", "--device", "tpu"], "--device tpu"),
        (["eval", "--checkpoint", "nowhere"], "expected a run folder"),
        (["eval", "--checkpoint", "."], "not a checkpoint"),
        (["reconstruct", "--checkpoint", ".", "--output", "x.avi"], "x.avi"),
        (["preprocess", "--input", "nowhere", "--output", "out"], "nowhere"),
        (["preprocess", "--input", ".", "--output", "out"], "error:"),
        (["data", "info", "."], "error:"),
        (["dash", "nowhere"], "nowhere"),
    ],
)
def test_user_mistakes_exit_1_with_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = vqtool(*arguments, folder=tmp_path)
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
