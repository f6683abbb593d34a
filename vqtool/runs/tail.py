"""Following a text file that another process, perhaps on another machine, is still writing."""

from pathlib import Path
from typing import BinaryIO

SLICE_BYTES = 4 << 20
PAST_BYTES = 64


class LineTail:
    """Reads the whole lines that a file gained since the last call, in slices of bounded size.

    A file that shrank, or whose last bytes read are no longer there, was replaced: it is read again from its start and
    `num_restarts` counts it. (Inode numbers are not asked: they change on some network file systems, and a copied file
    that only grew should be continued.) A line longer than a slice is skipped and counted in `num_long_lines`.
    `more` tells whether the last read stopped at its bound, not at the end of the file.
    """

    def __init__(self, path: Path, start_bytes: int | None = None) -> None:
        """Follow `path`; with `start_bytes` the first read begins that many bytes before the file's end."""
        self.path = path
        self.num_restarts = 0
        self.num_long_lines = 0
        self.more = False
        self._start_bytes = start_bytes
        self._offset = 0
        self._past = b""
        self._skipping = False

    def read(self, max_bytes: int = SLICE_BYTES) -> list[bytes]:
        """The new whole lines without their ends, from at most `max_bytes`; empty when nothing is new or no file."""
        self.more = False
        try:
            with self.path.open("rb") as stream:
                self._find_place(stream)
                block = stream.read(max_bytes)
        except OSError:
            return []
        self.more = len(block) == max_bytes
        return self._whole_lines(block)

    def _find_place(self, stream: BinaryIO) -> None:
        size = stream.seek(0, 2)
        stream.seek(max(0, self._offset - len(self._past)))
        if self._offset and (size < self._offset or stream.read(len(self._past)) != self._past):
            self.num_restarts += 1
            self._offset, self._past, self._skipping = 0, b"", False
        if not self._offset and self._start_bytes is not None and size > self._start_bytes:
            self._offset, self._skipping = size - self._start_bytes, True
        stream.seek(self._offset)

    def _whole_lines(self, block: bytes) -> list[bytes]:
        begin = 0
        if self._skipping:
            begin = block.find(b"\n") + 1
            self._skipping = begin == 0
        end = block.rfind(b"\n") + 1
        if end == 0 and self.more:
            self.num_long_lines += not self._skipping
            self._skipping = True
        taken = len(block) if self._skipping else end
        self._offset += taken
        self._past = (self._past + block[:taken])[-PAST_BYTES:]
        return block[begin:end].split(b"\n")[:-1] if end > begin else []
