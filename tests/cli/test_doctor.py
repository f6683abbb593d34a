"""`vqtool doctor` on a sound machine and on broken ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_token_commands import vqtool

from vqtool.core.check_machine import NVIDIA_DRIVER, check_device, check_disk
from vqtool.data.check_codecs import NEEDED, check_codecs
from vqtool.weights.lpips import LPIPS

REPOSITORY = Path(__file__).resolve().parents[2]


def doctor(folder: Path, *paths: Path) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code and the checks by name of a process with its own VQTOOL_HOME and `paths` before all others."""
    path = os.pathsep.join(map(str, (*paths, REPOSITORY)))
    environ = os.environ | {"VQTOOL_HOME": str(folder / "home"), "PYTHONPATH": path}
    command = [sys.executable, "-m", "vqtool", "doctor", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=folder, check=False)
    return result.returncode, {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_a_sound_machine_without_weights_passes_and_names_the_command_that_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))
    code, stdout, _ = vqtool(tmp_path, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(stdout)["checks"]}
    assert code == 0
    assert {check["state"] for check in checks.values()} <= {"ok", "note"}
    assert checks["weights lpips"]["remedy"].startswith("vqtool fetch-weights lpips")
    assert checks["terminal"]["state"] == "note" and "--once" in checks["terminal"]["remedy"]
    assert sys.version.split()[0] in checks["python"]["detail"]


def test_every_problem_says_what_to_do_and_something_broken_exits_1(tmp_path: Path) -> None:
    """Torch and PyAV that do not load, and damaged weights: all are told at once."""
    for name in ("torch", "av"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise OSError('libbroken.so: no such file')\n")
    weights = tmp_path / "home" / "weights"
    weights.mkdir(parents=True)
    (weights / LPIPS.file_name).write_bytes(b"half a file")
    code, checks = doctor(tmp_path, tmp_path)
    assert code == 1
    broken = {name for name, check in checks.items() if check["state"] == "broken"}
    assert broken == {"torch", "device", "bf16", "codecs", "weights lpips"}
    assert "libbroken.so" in checks["torch"]["detail"] and "pip install" in checks["torch"]["remedy"]
    assert checks["weights lpips"]["remedy"] == "vqtool fetch-weights lpips"
    assert all(check["remedy"] for check in checks.values() if check["state"] != "ok")


@pytest.mark.skipif(NVIDIA_DRIVER.exists(), reason="needs a machine without an NVIDIA driver")
def test_a_driver_without_a_gpu_for_torch_is_noted(tmp_path: Path) -> None:
    (tmp_path / "version").touch()
    finding = check_device(tmp_path / "version")
    assert finding.state == "note" and "NVIDIA driver" in finding.detail and finding.remedy


def test_the_disk_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path: Path) -> None:
    there, not_yet = check_disk("disk", tmp_path), check_disk("disk", tmp_path / "a" / "b")
    assert str(tmp_path) in not_yet.detail and "a/b" not in not_yet.detail
    assert there.state == not_yet.state


def test_an_encoder_that_ffmpeg_has_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEEDED, "w", ("libx264", "no_such_encoder"))
    encoders = next(finding for finding in check_codecs() if finding.name == "encoders")
    assert (encoders.state, encoders.detail) == ("broken", "FFmpeg has no no_such_encoder")
