from pathlib import Path

import pytest

from vqtool.errors import VqtoolError
from vqtool.runs.control import send_request, take_requests
from vqtool.runs.folder import RunFolder


def test_requests_are_taken_once(run: RunFolder) -> None:
    send_request(run, "preview")
    send_request(run, "stop")
    send_request(run, "stop")
    assert sorted(take_requests(run)) == ["preview", "stop"]
    assert take_requests(run) == []


def test_unknown_requests_are_left_alone(run: RunFolder) -> None:
    (run.control / "rm -rf").touch()
    assert take_requests(run) == []
    assert (run.control / "rm -rf").exists()


def test_copied_run_without_control_folder_can_be_asked(run: RunFolder) -> None:
    run.control.rmdir()
    assert take_requests(run) == []
    send_request(run, "checkpoint")
    assert take_requests(run) == ["checkpoint"]


def test_unwritable_run_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VqtoolError, match="cannot write"):
        send_request(RunFolder(tmp_path / "file"), "stop")
