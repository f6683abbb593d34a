"""One process at a time has the scratch folder of a download, whoever comes and goes."""

import fcntl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vqtool.errors import VqtoolError
from vqtool.weights.scratch import scratch_folder


def test_who_waited_holds_a_lock_that_others_see(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, leave, waiting = threading.Event(), threading.Event(), threading.Event()

    def second() -> None:
        with scratch_folder(tmp_path, "x"):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=second)
    monkeypatch.setattr(caplog.handler, "emit", lambda record: waiting.set())
    with scratch_folder(tmp_path, "x"):
        thread.start()
        assert waiting.wait(20)
        assert not inside.is_set()
    # The first has removed its lock file on leaving: the second must not take that for the lock.
    assert inside.wait(20)
    with (
        (tmp_path / ".download-x" / "lock").open("w") as stream,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    leave.set()
    thread.join()
    assert list(tmp_path.iterdir()) == []


def test_what_is_to_be_resumed_stays_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path, "x") as scratch:
        (scratch / "file.part").write_bytes(b"x")
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / ".download-x").iterdir()] == ["file.part"]
    with scratch_folder(tmp_path, "x") as scratch:
        assert (scratch / "file.part").exists()
    assert list(tmp_path.iterdir()) == []


def test_comings_and_goings_of_others_are_no_error(tmp_path: Path) -> None:
    """Each of four threads makes and removes the folder a hundred times, and Python switches as often as it can."""

    def come_and_go(_: int) -> None:
        for _ in range(100):
            with scratch_folder(tmp_path, "x") as scratch:
                (scratch / "only mine").touch()
                (scratch / "only mine").unlink()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(come_and_go, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".download-x").touch()
    with pytest.raises(VqtoolError, match="a file of that name is in the way"), scratch_folder(tmp_path, "x"):
        pass
