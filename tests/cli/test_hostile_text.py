"""Names and values from files that anybody may have written never drive the terminal, whatever command shows them."""

import io
import json
import logging
import shutil
import subprocess
import sys
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from vqtool.cli import main
from vqtool.core.text import escaped

HOSTILE = "a\x1b[2J\x9b31m\u202ez"
"""Clears the screen, in 7 and in 8 bits, and turns the direction of what follows."""


def harmful(text: str) -> set[str]:
    return {character for character in text if unicodedata.category(character) in ("Cc", "Cf")} - {"\n"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder whose every name and text is hostile."""
    folder = tmp_path / "runs" / HOSTILE
    folder.mkdir(parents=True)
    status = {"name": HOSTILE, "status": HOSTILE, "step": 1, "device": HOSTILE, "best": {HOSTILE: [1.0, 1]}}
    (folder / "run.json").write_text(json.dumps(status))
    (folder / "config.toml").write_text("[train]\n")
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "time": 1.0, "split": HOSTILE, HOSTILE: 2.0}) + "\n")
    (folder / "events.jsonl").write_text(json.dumps({"step": 1, "time": 1.0, "kind": HOSTILE, HOSTILE: 1}) + "\n")
    return folder


def shown(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> str:
    """All that a command writes to the terminal, with the traceback if it ends with one."""
    stdout, stderr = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "argv", ["vqtool", *map(str, arguments)])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main()
        except SystemExit:
            pass
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
    return stdout.getvalue() + stderr.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "list", "--dir", "RUNS"],
        ["runs", "export", "RUN", "--output", f"{HOSTILE}.csv"],
        ["runs", "rm", f"RUN{HOSTILE}"],
        ["dash", "RUN", "--once"],
        ["dash", "RUN", "--json"],
        ["eval", "--checkpoint", "RUN"],
        ["eval", "--checkpoint", "RUN", "--debug"],
        ["data", "info", f"RUN{HOSTILE}"],
        ["preprocess", "--input", f"RUN{HOSTILE}"],
        ["config", "check", HOSTILE],
        ["config", "show", "tiny", "--set", f"data.store={HOSTILE}"],
        ["config", "show", "tiny", "--set", f"data.{HOSTILE}=1"],
        ["fetch-weights", HOSTILE],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_no_command_prints_what_drives_a_terminal(
    arguments: list[str], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [argument.replace("RUNS", str(run.parent)).replace("RUN", str(run)) for argument in arguments]
    text = shown(monkeypatch, *filled)
    assert text.strip()
    assert not harmful(text)


def test_a_store_of_hostile_words_is_described_harmless(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    shutil.copytree(small_store, store)
    index = json.loads((store / "dataset.json").read_text())
    skipped = [{"trajectory": HOSTILE, "source": HOSTILE, "kind": HOSTILE, "reason": HOSTILE}]
    index |= {"source": HOSTILE, "settings": {HOSTILE: HOSTILE}, "skipped": skipped, "vqtool_version": HOSTILE}
    (store / "dataset.json").write_text(json.dumps(index))
    text = shown(monkeypatch, "data", "info", store)
    assert text.count("[2J") >= 6
    assert not harmful(text)


def test_a_config_is_shown_as_it_is_in_another_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tomli

    text = shown(monkeypatch, "config", "show", "tiny", "--set", f"data.store={HOSTILE}")
    assert tomli.loads(text)["data"]["store"] == HOSTILE
    assert escaped('é\t\n"𝕏"\U000e0001') == 'é\t\n"𝕏"\\U000e0001'


def test_notes_of_the_library_are_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    shown(monkeypatch, "--version")
    with redirect_stderr(stderr):
        logging.getLogger("vqtool.data").warning("left out, such as %s", HOSTILE)
    assert stderr.getvalue().startswith("note: left out, such as a\N{REPLACEMENT CHARACTER}[2J")
    assert not harmful(stderr.getvalue())


def test_a_terminal_without_unicode_is_no_reason_to_stop(run: Path) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "60"}
    command = [sys.executable, "-m", "vqtool", "runs", "list", "--dir", str(run.parent)]
    result = subprocess.run(command, capture_output=True, env=environment, cwd=Path(__file__).resolve().parents[2])
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.isascii() and b"1/0" in result.stdout
