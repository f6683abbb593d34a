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

    With `start_bytes` the first read begins near the end, so that the newest lines of a long file are there at once;
    `read_earlier` gives the lines passed over, the newest part first.
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
        self._seeking = False
        self._gap_end = 0
        self._skipping_back = False

    @property
    def share_passed_over(self) -> float:
        """The share of the file known so far, in [0, 1], that `read_earlier` has still to give."""
        return self._gap_end / self._offset if self._gap_end else 0.0

    def read(self, max_bytes: int = SLICE_BYTES) -> bytes:
        """The new whole lines, with their ends, from at most `max_bytes`; empty when nothing is new or no file."""
        self.more = False
        try:
            with self.path.open("rb") as stream:
                self._find_place(stream)
                block = stream.read(max_bytes)
        except OSError:
            return b""
        self.more = len(block) == max_bytes
        return self._whole_lines(block)

    def read_earlier(self, max_bytes: int = SLICE_BYTES) -> bytes:
        """The last whole lines, ascending, of the part passed over that is left, from at most `max_bytes`.

        Empty where nothing is left, and where the file cannot be read: then nothing is taken and a later call may help.
        """
        start = max(0, self._gap_end - max_bytes)
        try:
            with self.path.open("rb") as stream:
                stream.seek(start)
                block = stream.read(self._gap_end - start)
        except OSError:
            return b""
        return self._earlier_lines(block, start) if len(block) == self._gap_end - start else b""

    def _find_place(self, stream: BinaryIO) -> None:
        size = stream.seek(0, 2)
        stream.seek(max(0, self._offset - len(self._past)))
        if self._offset and (size < self._offset or stream.read(len(self._past)) != self._past):
            self.num_restarts += 1
            self._offset, self._past, self._skipping = 0, b"", False
            self._seeking, self._gap_end, self._skipping_back = False, 0, False
        if not self._offset and self._start_bytes is not None and size > self._start_bytes:
            self._offset, self._skipping, self._seeking = size - self._start_bytes, True, True
        stream.seek(self._offset)

    def _whole_lines(self, block: bytes) -> bytes:
        begin = 0
        if self._skipping:
            begin = block.find(b"\n") + 1
            self._skipping = begin == 0
            self._note_gap(begin or len(block))
        end = block.rfind(b"\n") + 1
        if end == 0 and self.more:
            self.num_long_lines += not self._skipping
            self._skipping = True
        taken = len(block) if self._skipping else end
        self._offset += taken
        self._past = (self._past + block[max(0, taken - PAST_BYTES) : taken])[-PAST_BYTES:]
        return block[begin:end]

    def _note_gap(self, length: int) -> None:
        """The part passed over ends where the first whole line begins."""
        if self._seeking:
            self._gap_end = self._offset + length
            self._seeking = self._skipping

    def _earlier_lines(self, block: bytes, start: int) -> bytes:
        """The whole lines of the block before the gap's end; its first line may begin before `start`."""
        end = block.rfind(b"\n") + 1 if self._skipping_back else len(block)
        begin = 0 if start == 0 else block.find(b"\n") + 1
        if start > 0 and begin >= end:
            self.num_long_lines += not self._skipping_back
            self._gap_end, self._skipping_back = start, True
            return b""
        self._gap_end, self._skipping_back = start + begin, False
        return block[begin:end]
