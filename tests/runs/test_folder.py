import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vqtool.errors import RunError
from vqtool.runs.folder import (
    STALE_SECONDS,
    RunFolder,
    create_run,
    find_run,
    is_alive,
    list_runs,
    parse_step_name,
    step_folders,
    step_name,
)


def test_new_run_has_its_folders_config_and_status(run: RunFolder) -> None:
    status = run.read_status()
    assert (status["name"], status["status"], status["step"], status["total_steps"]) == ("first", "running", 0, 100)
    assert (status["pid"], status["host"]) == (os.getpid(), socket.gethostname())
    assert run.config_file.read_text() == 'name = "first"\n'
    assert all(folder.is_dir() for folder in (run.previews, run.checkpoints, run.codebook, run.control))


def test_existing_run_is_never_touched(run: RunFolder) -> None:
    before = run.status_file.read_bytes()
    with pytest.raises(RunError, match="--resume"):
        create_run(run.path.parent, "first", "", {})
    assert run.status_file.read_bytes() == before


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a b", "a\n", "\x1b[2J"])
def test_run_names_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="use letters"):
        create_run(tmp_path, name, "", {})
    assert list(tmp_path.iterdir()) == []


def test_status_changes_are_merged(run: RunFolder) -> None:
    run.update_status(step=7, status="finished")
    assert run.read_status()["step"] == 7
    assert run.read_status()["total_steps"] == 100


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_damaged_status_is_one_message(run: RunFolder, content: bytes) -> None:
    run.status_file.write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json"):
        run.read_status()


def test_find_run_takes_a_run_or_the_one_active_last(tmp_path: Path) -> None:
    runs = [create_run(tmp_path, name, "", {}) for name in ("b", "a", "c")]
    for age, run in zip((30, 10, 20), runs, strict=True):
        os.utime(run.status_file, (1e9 - age, 1e9 - age))
    (tmp_path / "no-run").mkdir()
    assert [run.name for run in list_runs(tmp_path)] == ["a", "c", "b"]
    assert find_run(tmp_path).name == "a"
    assert find_run(tmp_path / "b") == runs[0]


def test_find_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no folder .*missing.*vqtool train"):
        find_run(tmp_path / "missing")
    with pytest.raises(RunError, match=r"no run in .*vqtool train"):
        find_run(tmp_path)


def test_step_names_sort_and_parse() -> None:
    assert step_name(100) == "step-00000100"
    assert parse_step_name(step_name(123_456_789)) == 123_456_789
    assert [parse_step_name(name) for name in ("step-1", "step-0000010x", ".step-00000100", "latest")] == [None] * 4


def test_step_folders_skip_what_is_none(tmp_path: Path) -> None:
    for name in ("step-00000010", "step-00000002.npy", "step-00000003.old", ".step-00000001.1-1.tmp", "latest"):
        (tmp_path / name).mkdir()
    assert [step for step, _ in step_folders(tmp_path)] == [2, 10]
    assert step_folders(tmp_path / "missing") == []


def test_own_process_is_alive_until_the_run_ends(run: RunFolder) -> None:
    now = time.time()
    assert is_alive(run.read_status(), now)
    assert is_alive(run.read_status(), now + 10 * STALE_SECONDS)
    run.update_status(status="stopped")
    assert not is_alive(run.read_status(), now)


def test_ended_process_is_dead(run: RunFolder) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    run.update_status(pid=child.pid)
    assert not is_alive(run.read_status(), time.time()), "a zombie trains nothing"
    child.wait()
    assert not is_alive(run.read_status(), time.time())


@pytest.mark.parametrize("pid", [0, -1, 2**80])
def test_impossible_process_numbers_are_dead(pid: int) -> None:
    status = {"status": "running", "pid": pid, "host": socket.gethostname(), "heartbeat": 0.0}
    assert not is_alive(status, 0.0)


def test_elsewhere_the_heartbeat_decides() -> None:
    status = {"status": "running", "pid": os.getpid(), "host": "another-host", "heartbeat": 1000.0}
    assert is_alive(status, 1000 + STALE_SECONDS - 1)
    assert not is_alive(status, 1000 + STALE_SECONDS + 1)
    assert not is_alive({**status, "heartbeat": "soon"}, 1000)
    assert is_alive(status, 1000 - 600), "clocks of two machines differ"
    assert not is_alive(status, 1000 - 86400), "one of the clocks was wrong"
