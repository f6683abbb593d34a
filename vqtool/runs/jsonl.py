"""Append-only JSON lines: a writer whose lines are whole, and a reader that follows a growing or damaged file."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson

from vqtool.core.atomic import explained_os_errors
from vqtool.runs.tail import SLICE_BYTES, LineTail


class JsonlWriter:
    """Appends one JSON object a line, in the file at once; NaN and infinity become null, numpy numbers are welcome.

    A part of a line that a crash or a full disk left at the end stays a line of its own, so the next one is readable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with explained_os_errors(path):
            self._stream = path.open("ab+", buffering=0)
            self._stream.seek(max(0, self._stream.seek(0, 2) - 1))
            self._at_line_start = self._stream.read(1) in (b"", b"\n")

    def write(self, record: Mapping[str, Any]) -> None:
        """Append `record` as one line.

        Raises:
            VqtoolError: no space left.
        """
        line = orjson.dumps(dict(record), option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
        rest = memoryview(line if self._at_line_start else b"\n" + line)
        with explained_os_errors(self._path):
            while rest:
                self._at_line_start = False
                rest = rest[self._stream.write(rest) or 0 :]
        self._at_line_start = True

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

    Only whole lines are taken; a line that is no JSON object, or longer than a slice, is counted in `num_bad_lines`
    and skipped; a file that shrank or was replaced is read again from its start, and `num_restarts` counts it.
    """

    def __init__(self, path: Path, start_bytes: int | None = None) -> None:
        """Follow `path`; with `start_bytes` the first read begins that many bytes before the file's end."""
        self._tail = LineTail(path, start_bytes)
        self._num_unparsed = 0

    @property
    def path(self) -> Path:
        """The file followed."""
        return self._tail.path

    @property
    def num_bad_lines(self) -> int:
        """Lines skipped so far."""
        return self._num_unparsed + self._tail.num_long_lines

    @property
    def num_restarts(self) -> int:
        """Times the file was found shrunk or replaced."""
        return self._tail.num_restarts

    @property
    def more(self) -> bool:
        """Whether the last read stopped at its bound, so that another one follows at once."""
        return self._tail.more

    @property
    def share_passed_over(self) -> float:
        """The share of the file, in [0, 1], that `read_earlier` has still to give."""
        return self._tail.share_passed_over

    def read(self, max_bytes: int = SLICE_BYTES) -> list[dict[str, Any]]:
        """The new records, from at most `max_bytes` of the file; empty when there is nothing new or no file."""
        return self._records(self._tail.read(max_bytes))

    def read_earlier(self, max_bytes: int = SLICE_BYTES) -> list[dict[str, Any]]:
        """Records that the first read passed over, ascending, the newest part first; empty where none can be read."""
        return self._records(self._tail.read_earlier(max_bytes))

    def _records(self, lines: bytes) -> list[dict[str, Any]]:
        """The lines as records: all at once, which is a third faster, or where some are damaged one by one."""
        array, num_lines = _as_array(lines)
        try:
            records: list[Any] = orjson.loads(array)
        except orjson.JSONDecodeError:
            return self._sound_records(lines.split(b"\n"))
        # Two torn lines may be one record together, which nobody wrote.
        sound = len(records) == num_lines and set(map(type, records)) <= {dict}
        return records if sound else self._sound_records(lines.split(b"\n"))

    def _sound_records(self, lines: list[bytes]) -> list[dict[str, Any]]:
        records = []
        for line in lines:
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                record = None
            if type(record) is dict:
                records.append(record)
            elif line.strip():
                self._num_unparsed += 1
        return records


def _as_array(lines: bytes) -> tuple[bytearray, int]:
    """The lines as one JSON array, and how many there are: their ends become commas, the last one the bracket."""
    array = bytearray(b"[")
    array += lines or b"]"
    characters = np.frombuffer(array, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    characters[ends] = ord(",")
    characters[-1] = ord("]")
    return array, len(ends)
