"""Append-only JSON lines: a writer whose lines are whole, and a reader that follows a growing or damaged file."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

SLICE_BYTES = 4 << 20


class JsonlWriter:
    """Appends one JSON object a line, flushed at once; NaN and infinity become null."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("ab")

    def write(self, record: Mapping[str, Any]) -> None:
        """Append `record` as one line."""
        cleaned = {key: _finite_or_none(value) for key, value in record.items()}
        self._stream.write(orjson.dumps(cleaned, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY))
        self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class JsonlTail:
    """Reads what a JSON-lines file gained since the last call.

    Only whole lines are taken; a line that is no JSON object is counted in `num_bad_lines` and skipped; a file that
    shrank or was replaced is read again from its start, and `num_restarts` counts it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_bad_lines = 0
        self.num_restarts = 0
        self._offset = 0
        self._inode = 0

    def read(self, max_bytes: int = SLICE_BYTES) -> list[dict[str, Any]]:
        """The new records, from at most about `max_bytes` of the file; empty when there is nothing new or no file."""
        try:
            with self.path.open("rb") as stream:
                self._notice_restart(stream.fileno())
                stream.seek(self._offset)
                block = stream.read(max_bytes)
                if b"\n" not in block and len(block) == max_bytes:
                    block += stream.readline()
        except FileNotFoundError:
            return []
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [record for line in whole.splitlines() if (record := self._parse(line)) is not None]

    def _notice_restart(self, descriptor: int) -> None:
        facts = os.fstat(descriptor)
        if self._inode and (facts.st_ino != self._inode or facts.st_size < self._offset):
            self._offset = 0
            self.num_restarts += 1
        self._inode = facts.st_ino

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        if not line.strip():
            return None
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            record = None
        if not isinstance(record, dict):
            self.num_bad_lines += 1
            return None
        return record


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
