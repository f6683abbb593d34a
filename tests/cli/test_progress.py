"""What is said of long work where there is no terminal."""

import pytest

from vqtool.cli import console
from vqtool.cli.console import progress


def test_a_rate_is_told_once_there_is_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "PLAIN_SECONDS", 0)
    with progress("evaluating", "clips") as advance:
        advance(5, 20)
        advance(15, 20)
        advance(20, 20)
    first, second, last = capsys.readouterr().err.splitlines()
    assert first == "evaluating: 5/20 clips"
    assert second.startswith("evaluating: 15/20 clips, ") and second.endswith(" s left")
    assert last.endswith(" clips/s, 0 s left")


def test_what_an_earlier_run_did_is_no_speed(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("encoding", "frames") as advance:
        advance(1000, 1000)
    assert capsys.readouterr().err == "encoding: 1000/1000 frames\n"
