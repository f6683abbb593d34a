"""`vqtool preprocess` and `vqtool data info` as a user types them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_token_commands import vqtool
from typer.testing import CliRunner

from vqtool.cli.app import app
from vqtool.data.video import write_video
from vqtool.errors import VqtoolError

SMALL = Path(__file__).resolve().parents[1] / "files" / "robonet_sim_small" / "hdf5"
SPLITS = ["--val", "1", "--test", "1"]


@pytest.fixture(scope="module")
def preprocessed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A store made by the installed command, and what that printed on stdout and stderr."""
    store = tmp_path_factory.mktemp("command") / "store"
    command = [sys.executable, "-m", "vqtool", "preprocess", "--input", str(SMALL), "--output", str(store)]
    result = subprocess.run([*command, *SPLITS, "--workers", "1"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return store, result.stdout, result.stderr


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in this process, whose pools share one server of workers."""
    return subprocess.CompletedProcess(arguments, *vqtool(Path.cwd(), *arguments))


def test_the_summary_counts_what_was_stored_and_skipped(preprocessed: tuple[Path, str, str]) -> None:
    store, stdout, stderr = preprocessed
    lines = stdout.splitlines()
    assert lines[0] == f"{store}: 190 frames of 64 x 64 pixels"
    assert [line.split()[:2] for line in lines[2:5]] == [["train", "3"], ["val", "1"], ["test", "1"]]
    assert lines[5] == "skipped 1 of 6 trajectories"
    assert "1 too short, such as berkeley_sawyer_traj1274.hdf5: 8 usable frames, fewer than 12" in lines[6]
    assert "frames/s" in lines[7]
    assert "6/6 trajectories" in stderr


def test_data_info_shows_the_same_and_more(preprocessed: tuple[Path, str, str]) -> None:
    result = CliRunner().invoke(app, ["data", "info", str(preprocessed[0])])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:7] == preprocessed[1].splitlines()[:7]
    for fact in ("train mean", "seed 23", "baxter, sawyer, ur5e"):
        assert fact in result.stdout


def test_data_info_as_json(preprocessed: tuple[Path, str, str]) -> None:
    result = CliRunner().invoke(app, ["data", "info", str(preprocessed[0]), "--json"])
    info = json.loads(result.stdout)
    assert info["splits"]["train"]["trajectories"] == 3
    assert info["skipped"][0]["kind"] == "too short"
    assert info["robots"] == ["baxter", "sawyer", "ur5e"]


def test_json_settings_and_flags_that_win_over_them(tmp_path: Path) -> None:
    store = tmp_path / "store"
    arguments = ["preprocess", "--source", "synthetic", "--limit", "3", "--size", "16", "--set", "preprocess.size=48"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(store), *SPLITS, "--workers", "1", "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["store"] == str(store) and summary["splits"]["train"]["clips"] == 2
    assert json.loads((store / "dataset.json").read_bytes())["size"] == 16


def test_a_mistake_is_one_line_without_traceback(tmp_path: Path) -> None:
    result = run("preprocess", "--input", str(tmp_path), "--output", str(tmp_path / "store"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1 and result.stderr.startswith(f"error: cannot tell what {tmp_path} holds")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preprocess", "--source", "bair"], "'auto', 'robonet', 'videos', 'lerobot' or 'synthetic'"),
        (["preprocess", "--fit", "stretch"], "'squash', 'crop' or 'pad'"),
        (["preprocess", "--input", str(SMALL), "--stride", "2"], "setting of --source videos; this source is robonet"),
        (["preprocess", "--size", "4"], "greater than or equal to 8"),
        (["preprocess", "--input", str(SMALL)], "256 val and 256 test trajectories leave none for training"),
        (["data", "info", "/nowhere"], "no frame store /nowhere"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, VqtoolError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_videos_are_recognised_and_the_flags_arrive_in_the_store(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("one", "two", "three"):
        write_video(tmp_path / "in" / f"{name}.mp4", np.zeros((30, 16, 24, 3), np.uint8), fps=10)
    store = tmp_path / "store"
    flags = ["--fps", "5", "--stride", "2", "--max-frames", "6", "--fit", "pad", "--min-frames", "6", "--workers", "1"]
    result = run("preprocess", "--input", str(tmp_path / "in"), "--output", str(store), *SPLITS, *flags)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith(f"{tmp_path}/in: taken as --source videos: one.mp4 is a video file\n")
    info = json.loads((store / "dataset.json").read_bytes())
    assert info["settings"] == {"fit": "pad", "fps": 5.0, "stride": 2, "max_frames": 6}
    assert info["source"] == "videos" and info["splits"]["train"]["frames"] == 6
    shown = run("data", "info", str(store)).stdout
    assert "fit pad, fps 5.0, stride 2, max_frames 6" in shown


def test_a_test_list_reports_what_it_did_not_find(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("cmu_ur5e_traj1873.hdf5\nnobody_traj1.hdf5\n")
    arguments = ["preprocess", "--input", str(SMALL), "--output", str(tmp_path / "store"), "--workers", "1"]
    arguments += ["--val", "1", "--size", "16", "--test-list", str(tmp_path / "list.txt")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "1 names of the test list are unknown here, such as nobody_traj1.hdf5" in result.stdout
    both = CliRunner().invoke(app, [*arguments, "--test", "3"])
    assert isinstance(both.exception, VqtoolError) and "give one of the two" in str(both.exception)


def test_strict_finishes_and_then_names_the_bad_files(tmp_path: Path) -> None:
    shutil.copytree(SMALL, tmp_path / "files")
    (tmp_path / "files" / "broken.hdf5").write_text("hello")
    arguments = ["preprocess", "--input", str(tmp_path / "files"), "--output", str(tmp_path / "store"), "--size", "16"]
    result = run(*arguments, *SPLITS, "--workers", "1", "--strict")
    assert result.returncode == 1
    assert "1 bad files were skipped:\n  broken.hdf5: not an HDF5 file" in result.stderr
    assert "traj1274" not in result.stderr.partition("--strict:")[2], "too short is what --min-frames asks for"
    assert "skipped 2 of 7" in result.stdout
    assert run("data", "verify", str(tmp_path / "store")).stdout == "5 files verified\n"


def test_verify_names_each_altered_file(preprocessed: tuple[Path, str, str], tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(preprocessed[0], store)
    for name in ("frames-00000.npy", "states-00000.npy"):
        content = bytearray((store / name).read_bytes())
        content[200] ^= 1
        (store / name).write_bytes(content)
    result = run("data", "verify", str(store))
    assert (result.returncode, result.stdout) == (1, "")
    assert "error: 2 files are not as written" in result.stderr
    assert "\n  frames-00000.npy: its content was altered" in result.stderr
    assert "\n  states-00000.npy: its content was altered" in result.stderr


def test_help_shows_examples() -> None:
    result = CliRunner().invoke(app, ["preprocess", "--help"])
    assert "vqtool preprocess --input" in result.stdout
