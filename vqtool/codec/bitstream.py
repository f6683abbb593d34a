"""The `.vqt` file: header, chunks, end record. docs/formats.md has it byte by byte.

Every checksum is the CRC-32 of all bytes of the file before it, so that no part can be missing, doubled or moved. A
reader believes no number before its checksum holds, and allocates nothing that the file's size does not warrant.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import BinaryIO

from vqtool.errors import DataError

MAGIC = b"\x89VQT\r\n\x1a\n"
"""Not text, and altered by whatever converts line ends, as PNG's is."""
VERSION = 1
_HEADER = struct.Struct("<8sH32s8sIIIIHHHHHHHI")
_CHUNK = struct.Struct("<HI")
_END = struct.Struct("<HQ")
_CRC = struct.Struct("<I")
MAX_SIDE = 65535
MAX_BATCH_PIXELS = 1 << 28
MAX_BATCH_TOKENS = 1 << 24
"""Both of the frames that are decoded at once."""
TRUNCATED = "it ends too early: it was not written or copied to its end"
DAMAGED = "its checksum does not match: it is damaged"


@dataclass(frozen=True)
class VideoHeader:
    """What a `.vqt` says of its video, in the order of the file.

    tokenizer_sha256: 32 bytes. prior_id: 8 bytes, zeros where none was learned. width, height: of the decoded video,
    pixels. fps_numerator / fps_denominator: frames a second. grid_rows, grid_columns: tokens of a frame of the
    tokenizer; context_rows, context_columns and segment_frames: of the context, 0 without. batch_frames: frames that
    the tokenizer encoded at once and has to decode at once. chunk_frames: frames of every chunk but the last, whole
    batches. codebook_size: K.
    """

    tokenizer_sha256: bytes
    prior_id: bytes
    width: int
    height: int
    fps_numerator: int
    fps_denominator: int
    grid_rows: int
    grid_columns: int
    context_rows: int
    context_columns: int
    segment_frames: int
    batch_frames: int
    chunk_frames: int
    codebook_size: int

    @property
    def fps(self) -> Fraction:
        """Frames a second."""
        return Fraction(self.fps_numerator, self.fps_denominator)

    def check(self) -> None:
        """Raises DataError where the numbers contradict each other or are beyond what is ever written."""
        has_context = (self.context_rows > 0, self.context_columns > 0, self.segment_frames > 0)
        sound = (
            1 <= self.width <= MAX_SIDE
            and 1 <= self.height <= MAX_SIDE
            and self.width * self.height * self.batch_frames <= MAX_BATCH_PIXELS
            and self.fps_numerator > 0
            and self.fps_denominator > 0
            and Fraction(1, 1000) <= self.fps <= 1000
            and min(self.grid_rows, self.grid_columns, self.batch_frames, self.chunk_frames, self.codebook_size) > 0
            and (all(has_context) or not any(has_context))
            and self.batch_frames % max(self.segment_frames, 1) == 0
            and self.chunk_frames % self.batch_frames == 0
        )
        if not sound:
            raise DataError("its header has values that no encoder writes")


class BitstreamWriter:
    """Writes a `.vqt` from front to back: the header at once, chunks as they come, `finish` at the end."""

    def __init__(self, stream: BinaryIO, header: VideoHeader) -> None:
        header.check()
        self._stream, self._crc = stream, 0
        self.num_bytes = self.num_frames = 0
        self._write(_HEADER.pack(MAGIC, VERSION, *astuple(header)))

    def write_chunk(self, num_frames: int, payload: bytes) -> None:
        """The coded tokens of the next `num_frames` frames."""
        self._write(_CHUNK.pack(num_frames, len(payload)) + payload)
        self.num_frames += num_frames

    def finish(self) -> None:
        """The end record, without which the file is not whole."""
        self._write(_END.pack(0, self.num_frames))

    def _write(self, content: bytes) -> None:
        self._crc = zlib.crc32(content, self._crc)
        record = content + _CRC.pack(self._crc)
        self._crc = zlib.crc32(record[-_CRC.size :], self._crc)
        self._stream.write(record)
        self.num_bytes += len(record)


class BitstreamReader:
    """Reads a `.vqt`; a first pass over the file has checked it to its end before any chunk is given out.

    Raises:
        DataError: foreign, of another version, damaged or truncated; the message starts with `it`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)
        self._rewind()
        self.header = self._read_header()
        self.num_frames = sum(num_frames for num_frames, _ in self.chunks())

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """Frames and coded tokens of each chunk, in their order."""
        self._rewind()
        self._record(_HEADER.size)
        total, is_last = 0, False
        while num_frames := int.from_bytes(self._peek(2), "little"):
            if is_last or num_frames > self.header.chunk_frames:
                raise DataError("its chunks have numbers of frames that no encoder writes")
            length = _CHUNK.unpack(self._peek(_CHUNK.size))[1]
            if length % 4:
                raise DataError("a chunk has a length that no encoder writes")
            yield num_frames, self._record(_CHUNK.size + length)[_CHUNK.size :]
            total, is_last = total + num_frames, num_frames < self.header.chunk_frames
        if _END.unpack(self._record(_END.size))[1] != total or not total:
            raise DataError("it says another number of frames than it has")
        if self._stream.tell() != self._size:
            raise DataError("there is more after its end")

    def _read_header(self) -> VideoHeader:
        start = self._stream.read(len(MAGIC))
        if start != MAGIC:
            raise DataError("it is not a .vqt file" if start else "it is empty")
        self._rewind()
        fields = _HEADER.unpack(self._record(_HEADER.size))
        if fields[1] != VERSION:
            raise DataError(
                f"it is a .vqt of version {fields[1]}, this vqtool reads version {VERSION}: "
                "encode the video again, or use the vqtool that wrote it"
            )
        header = VideoHeader(*fields[2:])
        header.check()
        return header

    def _rewind(self) -> None:
        self._stream.seek(0)
        self._crc = 0

    def _peek(self, num_bytes: int) -> bytes:
        """The next bytes, which stay to be read."""
        content = self._stream.read(num_bytes)
        self._stream.seek(-len(content), os.SEEK_CUR)
        if len(content) < num_bytes:
            raise DataError(TRUNCATED)
        return content

    def _record(self, num_bytes: int) -> bytes:
        """The next bytes, whose checksum follows them."""
        if self._stream.tell() + num_bytes + _CRC.size > self._size:
            raise DataError(TRUNCATED)
        content, checksum = self._stream.read(num_bytes), self._stream.read(_CRC.size)
        if len(content) + len(checksum) < num_bytes + _CRC.size:
            raise DataError(TRUNCATED)
        self._crc = zlib.crc32(content, self._crc)
        if checksum != _CRC.pack(self._crc):
            raise DataError(DAMAGED)
        self._crc = zlib.crc32(checksum, self._crc)
        return content
