"""Animated WebP, written frame by frame: libraries that make one keep every frame until the last.

The container is that of the WebP specification ("WebP Container Specification", extended file format): a RIFF file of
the chunks VP8X, ANIM, and ANMF for each frame, whose pictures Pillow encodes.
"""

import io
import struct
from fractions import Fraction
from typing import BinaryIO

from PIL import Image

from vqtool.data import Frames
from vqtool.errors import DataError

QUALITY = 90
MAX_SIDE = 16383
"""Pixels; VP8 has 14 bits for a size."""
MAX_BYTES = (1 << 32) - 10
"""What the four bytes of a RIFF file's size can count."""
ANIMATED = 0x02
DO_NOT_BLEND = 0x02
RIFF_HEADER = 12
"""Bytes of a WebP file before its first chunk: `RIFF`, the size, `WEBP`."""


class WebpWriter:
    """An endless animation at `fps`, as frames come; all uint8 RGB (T, H, W, 3) of one size.

    `finish` puts in the size of the file; `stream` can go back.
    """

    def __init__(self, stream: BinaryIO, fps: Fraction) -> None:
        self._stream = stream
        self._fps = fps
        self._num_frames = 0
        self._num_bytes = 0

    def write(self, frames: Frames) -> None:
        """Encode the next frames.

        Raises:
            DataError: larger than the format has room for.
        """
        _, height, width, _ = frames.shape
        if not self._num_frames:
            self._begin(height, width)
        for frame in frames:
            place = _three_bytes(0) * 2 + _three_bytes(width - 1) + _three_bytes(height - 1)
            shown = _three_bytes(self._milliseconds(self._num_frames + 1) - self._milliseconds(self._num_frames))
            self._put(_chunk(b"ANMF", place + shown + bytes([DO_NOT_BLEND]) + _picture(frame)))
            self._num_frames += 1

    def finish(self) -> None:
        """Complete the file."""
        self._stream.seek(4)
        self._stream.write(struct.pack("<I", self._num_bytes - 8))
        self._stream.seek(0, io.SEEK_END)

    def _begin(self, height: int, width: int) -> None:
        if max(height, width) > MAX_SIDE:
            raise DataError(
                f"a .webp has at most {MAX_SIDE} pixels a side, these frames are {width} x {height}: choose .mp4 or a "
                "folder"
            )
        self._put(b"RIFF\0\0\0\0WEBP")
        self._put(_chunk(b"VP8X", bytes([ANIMATED, 0, 0, 0]) + _three_bytes(width - 1) + _three_bytes(height - 1)))
        # Black behind it, without end.
        self._put(_chunk(b"ANIM", bytes(4) + struct.pack("<H", 0)))

    def _put(self, content: bytes) -> None:
        self._num_bytes += len(content)
        if self._num_bytes > MAX_BYTES:
            raise DataError("a .webp has at most 4 GiB: choose .mp4 or a folder")
        self._stream.write(content)

    def _milliseconds(self, number: int) -> int:
        """When frame `number` begins: rounded by itself, so that errors do not add up."""
        return round(1000 * number / self._fps)


def _picture(frame: Frames) -> bytes:
    """The chunk of one picture (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "WEBP", quality=QUALITY)
    return file.getvalue()[RIFF_HEADER:]


def _chunk(name: bytes, content: bytes) -> bytes:
    """With a byte behind an odd number of them, which the size does not count."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _three_bytes(number: int) -> bytes:
    return number.to_bytes(3, "little")
