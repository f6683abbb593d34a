"""Writing a token store by one process or several: rows in their place, journals of what is done, metadata last.

Each `.npy` has its full size from the start; a batch of rows counts once a journal says so, which is written after the
rows are on the disk. `journal.jsonl` has the fingerprint of the job and the batches that earlier attempts did;
`journal-000.jsonl` of each process adds to it.
"""

import io
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from vqtool.core.atomic import explained_os_errors, sync, write_atomic
from vqtool.data.journal import JOURNAL_FILE, Fingerprint, encode_line, whole_lines
from vqtool.data.shards import write_all
from vqtool.data.store import CLIPS_FILE, UNFINISHED_FILE
from vqtool.data.token_store import CODEBOOK_FILE, METADATA_FILE
from vqtool.data.unfinished import compare_fingerprints, lock
from vqtool.errors import DataError, VqtoolError

JOURNAL_VERSION = 1
COMMIT_SECONDS = 2.0
"""Between two moments when everything done is on the disk: what a kill or a power cut costs at most."""
Arrays = Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
"""The type and the shape of each file that is filled in any order."""
_OURS = re.compile(
    rf"(tokens|context|states|actions)-\d{{5}}\.npy|journal(-\d{{3,}})?\.jsonl"
    rf"|{re.escape(CLIPS_FILE)}|{re.escape(CODEBOOK_FILE)}"
)


class TokenFolder:
    """The folder of a token store that is being written; only one process of a job has it.

    Enter it, let processes fill `arrays` with `TokenRows`, `complete` it. Left before that, it can be continued.

    Raises:
        DataError: the folder holds a complete store, other files or a store begun with another fingerprint, or another
            job is writing there.
        VqtoolError: no space left, or the folder cannot be written.
    """

    def __init__(self, path: Path, arrays: Arrays, fingerprint: Fingerprint) -> None:
        self.path = path
        self.done: frozenset[int] = frozenset()
        """The batches that earlier attempts did."""
        self._arrays = arrays
        self._fingerprint = fingerprint
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        with explained_os_errors(self.path):
            _check_target(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = lock(self.path, "vqtool encode")
            try:
                self._begin()
            except BaseException:
                self._lock.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock:
            self._lock.close()

    @property
    def is_complete(self) -> bool:
        """Whether all was done before and only not yet tidied up."""
        return (self.path / METADATA_FILE).is_file()

    def complete(self, metadata: str) -> None:
        """Write the metadata, by which the store is complete, and remove what only writing needed."""
        for file in self._arrays:
            with explained_os_errors(self.path):
                sync(self.path / file)
        write_atomic(self.path / METADATA_FILE, metadata)
        self.tidy()

    def tidy(self) -> None:
        """Remove the journals and the mark of an unfinished store."""
        for file in self.path.glob("journal*.jsonl"):
            file.unlink()
        (self.path / UNFINISHED_FILE).unlink(missing_ok=True)

    def _begin(self) -> None:
        for file in self.path.glob(".*.tmp"):
            # Of an atomic write that a kill cut short.
            file.unlink()
        if self.is_complete:
            return
        journal = _read_journals(self.path)
        if journal is not None:
            compare_fingerprints(f"the token store {self.path}", self.path, journal[0], self._fingerprint)
            if all(_has_size(self.path / file, *array) for file, array in self._arrays.items()):
                self.done = journal[1]
        if not self.done:
            self._start_anew()
        lines = [{"version": JOURNAL_VERSION, "fingerprint": dict(self._fingerprint)}, sorted(self.done)]
        write_atomic(self.path / JOURNAL_FILE, b"".join(encode_line(line) for line in lines))
        # What they say is in the journal now; a torn line at the end of one would hide what is added behind it.
        for file in self.path.glob("journal-*.jsonl"):
            file.unlink()

    def _start_anew(self) -> None:
        for file in self.path.iterdir():
            if _OURS.fullmatch(file.name):
                file.unlink()
        for name, (dtype, shape) in self._arrays.items():
            with (self.path / name).open("wb") as stream:
                stream.write(npy_header(dtype, shape))
                stream.truncate(_file_bytes(dtype, shape))


class TokenRows:
    """What one process fills in: rows of the arrays, and its own journal of the batches that are done."""

    def __init__(self, path: Path, arrays: Arrays, rank: int, commit_seconds: float = COMMIT_SECONDS) -> None:
        self._path = path
        self._arrays = arrays
        self._commit_seconds = commit_seconds
        self._committed = time.monotonic()
        self._pending: list[int] = []
        self._journal = path / f"journal-{rank:03d}.jsonl"
        self._descriptors: dict[str, int] = {}

    def __enter__(self) -> Self:
        with explained_os_errors(self._path):
            for file in self._arrays:
                self._descriptors[file] = os.open(self._path / file, os.O_WRONLY | os.O_CLOEXEC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # A disk that is full may refuse this too; then what was committed before is what remains.
            with suppress(OSError, VqtoolError) if error else nullcontext():
                self.commit()
        finally:
            for descriptor in self._descriptors.values():
                os.close(descriptor)

    def write(self, file: str, first_row: int, values: NDArray[Any]) -> None:
        """Put rows into `file` from `first_row` on.

        Raises:
            VqtoolError: no space left.
        """
        dtype, shape = self._arrays[file]
        row_bytes = dtype.itemsize * int(np.prod(shape[1:]))
        assert values.shape[1:] == shape[1:] and first_row + len(values) <= shape[0]
        rest = np.ascontiguousarray(values, dtype=dtype).reshape(-1).view(np.uint8).data
        position = len(npy_header(dtype, shape)) + first_row * row_bytes
        with explained_os_errors(self._path):
            while rest:
                written = os.pwrite(self._descriptors[file], rest, position)
                position, rest = position + written, rest[written:]

    def record(self, batch: int) -> None:
        """Note that a batch is done; from time to time this pushes everything to the disk."""
        self._pending.append(batch)
        if time.monotonic() - self._committed >= self._commit_seconds:
            self.commit()

    def commit(self) -> None:
        """Push the rows to the disk and then, so that it never speaks of rows that are not there, the journal.

        Raises:
            VqtoolError: no space left.
        """
        if self._pending:
            with explained_os_errors(self._path):
                for descriptor in self._descriptors.values():
                    os.fsync(descriptor)
                with self._journal.open("ab", buffering=0) as stream:
                    write_all(stream.fileno(), encode_line(self._pending))
                    os.fsync(stream.fileno())
            self._pending = []
        self._committed = time.monotonic()


def npy_header(dtype: np.dtype[Any], shape: Sequence[int]) -> bytes:
    """What `numpy.save` writes before the values of such an array."""
    buffer = io.BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


def batches_done(path: Path) -> frozenset[int]:
    """The batches of an unfinished store whose rows are on the disk."""
    journal = _read_journals(path)
    return journal[1] if journal else frozenset()


def _read_journals(path: Path) -> tuple[Fingerprint, frozenset[int]] | None:
    """The fingerprint of the job and its batches done so far; None where there is no job to go on with."""
    lines = _lines(path / JOURNAL_FILE)
    if not lines or not isinstance(lines[0], dict) or lines[0].get("version") != JOURNAL_VERSION:
        return None
    more = [line for file in sorted(path.glob("journal-*.jsonl")) for line in _lines(file)]
    return lines[0]["fingerprint"], frozenset(batch for line in [*lines[1:], *more] for batch in line)


def _lines(file: Path) -> list[Any]:
    try:
        with file.open("rb") as stream:
            return [record for record, _ in whole_lines(stream)]
    except FileNotFoundError:
        return []


def _file_bytes(dtype: np.dtype[Any], shape: Sequence[int]) -> int:
    return len(npy_header(dtype, shape)) + dtype.itemsize * int(np.prod(shape))


def _has_size(file: Path, dtype: np.dtype[Any], shape: Sequence[int]) -> bool:
    return file.is_file() and file.stat().st_size == _file_bytes(dtype, shape)


def _check_target(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file, not a folder: choose another --output")
    if not path.is_dir() or (path / UNFINISHED_FILE).exists():
        return
    if (path / METADATA_FILE).is_file():
        raise DataError(
            f"{path} holds a complete token store already: choose another --output, or remove it to encode again"
        )
    found = next(path.iterdir(), None)
    if found:
        raise DataError(f"{path} is not empty and no token store (it holds {found.name}): choose another --output")
