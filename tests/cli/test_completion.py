"""Completion through the shells' own entry: the words of a command line in, what to offer out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_commands import vqtool

from vqtool.runs.folder import create_run

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with runs/first (two checkpoints), runs/second and configs/mine.toml."""
    for name in ("first", "second"):
        create_run(tmp_path / "runs", name, "", {})
    checkpoints = tmp_path / "runs" / "first" / "checkpoints"
    (checkpoints / "step-00000100").mkdir()
    (checkpoints / "best-psnr").symlink_to("step-00000100")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.toml").touch()
    return tmp_path


def offered(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What fish is offered for `line`: typer's own protocol, with whole words."""
    monkeypatch.setenv("_VQTOOL_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    return [entry.split("\t")[0] for entry in vqtool(folder=folder).stdout.splitlines() if entry]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vqtool pre", ["preprocess"]),
        ("vqtool train --config ti", ["tiny.toml"]),
        ("vqtool train --config m", ["mine.toml"]),
        ("vqtool train --config=ti", ["--config=tiny.toml"]),
        ("vqtool train --set=model.decoder.kind=", ["--set=model.decoder.kind=2d", "--set=model.decoder.kind=3d"]),
        ("vqtool eval --checkpoint=runs/first:b", ["--checkpoint=runs/first:best-psnr"]),
        ("vqtool config show configs/", ["configs/mine.toml"]),
        ("vqtool train --set data.st", ["data.store=", "data.stride="]),
        ("vqtool train --set train.accum", ["train.accumulate=", "train.accumulate=1"]),
        ("vqtool train --set optim.betas=", ["optim.betas=[0.5,0.9]"]),
        ("vqtool train --set model.decoder.kind=", ["model.decoder.kind=2d", "model.decoder.kind=3d"]),
        ("vqtool train --set pre", [f"preprocess.{name}" for name in ("source=", "input=", "output=", "size=")]),
        ("vqtool train --set nothing.", []),
        ("vqtool train --resume --run f", ["first"]),
        ("vqtool runs export s", ["second"]),
        ("vqtool dash runs/s", ["runs/second"]),
        (
            "vqtool eval --checkpoint runs/f",
            ["runs/first", "runs/first:best-psnr", "runs/first:step-00000100"],
        ),
        ("vqtool eval --checkpoint runs/first:b", ["runs/first:best-psnr"]),
        ("vqtool publish runs/first:st", ["runs/first:step-00000100"]),
        ("vqtool eval --metrics psnr,ss", ["psnr,ssim"]),
        ("vqtool fetch-weights l", ["lpips"]),
        ("vqtool preprocess --fit c", ["crop"]),
        ("vqtool eval --split t", ["train", "test"]),
    ],
)
def test_what_is_offered(line: str, expected: list[str], project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(line, project, monkeypatch)[: max(len(expected), 1)] == expected


def test_runs_are_looked_for_where_the_option_says(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "runs").rename(project / "elsewhere")
    assert offered("vqtool runs export --dir elsewhere s", project, monkeypatch) == ["second"]


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (["vqtool", "train", "--config", "=", "ti"], ["tiny.toml"]),
        (["vqtool", "eval", "--checkpoint", "runs/first", ":", "b"], ["best-psnr"]),
        (["vqtool", "train", "--set", "model.decoder.kind", "=", ""], ["2d", "3d"]),
        (
            ["vqtool", "train", "--set", "model.decoder.kind", "=", "3d", "--set", "data.str"],
            ["data.stride=", "data.stride=1"],
        ),
    ],
)
def test_bash_itself_completes_words_that_it_breaks(words: list[str], reply: list[str], project: Path) -> None:
    """Typer's script in a real bash, with the words as bash breaks them at : and =."""
    script = Path(sys.executable).with_name("vqtool")
    quoted = " ".join(f"'{word}'" for word in words)
    program = f"""
        eval "$(_VQTOOL_COMPLETE=source_bash vqtool)"
        COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
        _vqtool_completion vqtool; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environ = os.environ | {"PATH": f"{script.parent}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    command = ["bash", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=project, env=environ)
    assert result.stdout.splitlines() == reply, result.stderr


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("vqtool train --config ti", """_arguments '*: :(("tiny.toml"))'\n"""),
        ("vqtool train --config=ti", """_arguments '*: :(("--config=tiny.toml"))'\n"""),
        ("vqtool train --set=model.decoder.kind=", """_arguments '*: :(("--set=model.decoder.kind=2d"\n"""
         """"--set=model.decoder.kind=3d"))'\n"""),
        ("vqtool train --config=nowhere", "_files\n"),
    ],
)  # fmt: skip
def test_zsh_is_offered_whole_words(line: str, answer: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_VQTOOL_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", line)
    assert vqtool(folder=project).stdout == answer


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("vqtool eval --checkpoint runs/first:b", ["runs/first:best-psnr"]),
        ("vqtool train --set model.decoder.kind=", ["model.decoder.kind=2d", "model.decoder.kind=3d"]),
    ],
)
def test_fish_itself_completes_names_with_colons_and_equals_signs(line: str, reply: list[str], project: Path) -> None:
    program = f"env _VQTOOL_COMPLETE=source_fish vqtool | source; complete -C '{line}'"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = os.environ | {"PATH": path, "PYTHONPATH": str(REPOSITORY), "HOME": str(project)}
    command = ["fish", "--no-config", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=project, env=environ)
    assert result.stdout.splitlines() == reply, result.stderr


def test_completion_imports_nothing_heavy(project: Path) -> None:
    code = "import sys\nfrom vqtool.cli import main\ntry:\n main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    arguments = {"_VQTOOL_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    for line in ("vqtool eval --checkpoint runs/f", "vqtool train --set tr", "vqtool eval --metrics ss"):
        environ = os.environ | arguments | {"_TYPER_COMPLETE_ARGS": line, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-c", code]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, cwd=project)
        assert not {"torch", "numpy", "textual", "h5py", "av"} & set(result.stdout.split()), line


def test_the_script_to_install_knows_the_program(tmp_path: Path) -> None:
    environ = os.environ | {"_VQTOOL_COMPLETE": "source_bash", "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(
        [sys.executable, "-m", "vqtool"], capture_output=True, text=True, check=True, env=environ, cwd=tmp_path
    )
    assert "complete -o default -F _vqtool_completion vqtool" in result.stdout
