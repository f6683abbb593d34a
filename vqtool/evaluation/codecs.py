"""Published codecs on a clip held in memory: what they make of it, and the bits of what only that clip needs.

Bits are payload: coded slices of video (parameter sets, version strings and framing are left out, as a tokenizer's
weights are), whole files of pictures, which have no common header to leave out.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from vqtool.data import Frames
from vqtool.errors import VqtoolError


@dataclass(frozen=True)
class Coded:
    """A clip after coding, uint8 RGB (T, H, W, 3), and the bits of all its frames."""

    frames: Frames
    num_bits: float


Codec = Callable[[Frames], Coded]


@dataclass(frozen=True)
class VideoFormat:
    """An encoder and decoder of FFmpeg, the options of a quality, which bytes are payload, its smallest frame."""

    encoder: str
    decoder: str
    options: Mapping[str, str]
    payload: Callable[[bytes], int]
    min_pixels: int


def published_codecs(resolution: int) -> dict[tuple[str, str], Codec]:
    """Every codec that takes frames of this size at several qualities, the smallest first, by name and setting.

    Halved colour resolution needs even frames; each video codec has a smallest frame (`VideoFormat.min_pixels`).
    """
    codecs: dict[tuple[str, str], Codec] = {}
    for name, (video, qualities) in VIDEO_FORMATS.items():
        if resolution < video.min_pixels or resolution % 2:
            continue
        for crf in qualities:
            codecs[name, f"crf {crf}"] = partial(code_video, video, crf)
    for name, (form, qualities) in PICTURE_FORMATS.items():
        for quality in qualities:
            codecs[name, f"quality {quality}"] = partial(code_pictures, form, quality)
    return codecs


def code_video(video: VideoFormat, crf: int, frames: Frames) -> Coded:
    """A clip through a video codec at its slowest sensible preset, one group of pictures, halved colour resolution.

    Raises:
        VqtoolError: FFmpeg was built without it.
    """
    _, height, width, _ = frames.shape
    encoder = _context(video.encoder, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 10), Fraction(10)
    encoder.options = {**video.options, "crf": str(crf)}
    converter = VideoReformatter()
    packets: list[Any] = []
    with ordinary_priority() as restore:
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture = converter.reformat(picture, format="yuv420p", threads=1)
            picture.pts = number
            packets += encoder.encode(picture)
            restore()
        packets += encoder.encode(None)
    decoder = _context(video.decoder, "r")
    decoded = [picture for packet in (*packets, None) for picture in decoder.decode(packet)]
    decoded.sort(key=lambda picture: picture.pts)
    num_bytes = sum(video.payload(bytes(packet)) for packet in packets)
    return Coded(np.stack([picture.to_ndarray(format="rgb24") for picture in decoded]), 8 * num_bytes)


@contextmanager
def ordinary_priority() -> Iterator[Callable[[], None]]:
    """Yield what puts all threads back to the scheduling of now; leaving does so too.

    SVT-AV1, where root runs it, makes its caller and its own threads real-time ones of the highest priority when it
    encodes the first frame, and leaves them so: everything else on those cores then waits, logins included.
    """
    if not hasattr(os, "sched_setscheduler"):  # Linux alone has it
        yield lambda: None
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)

    def restore() -> None:
        for thread in (int(task.name) for task in Path("/proc/self/task").iterdir()):
            # One that has ended meanwhile needs nothing.
            with suppress(ProcessLookupError):
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, parameters)

    try:
        yield restore
    finally:
        restore()


def code_pictures(form: str, quality: int, frames: Frames) -> Coded:
    """A clip as a picture file a frame."""
    decoded, num_bytes = [], 0
    for frame in frames:
        file = io.BytesIO()
        extra = {"method": 6} if form == "WEBP" else {"optimize": True}
        Image.fromarray(frame).save(file, form, quality=quality, **extra)
        num_bytes += file.tell()
        decoded.append(np.asarray(Image.open(file, formats=[form]).convert("RGB")))
    return Coded(np.stack(decoded), 8 * num_bytes)


def _context(name: str, mode: Any) -> Any:
    # Errors only: SVT-AV1 writes a page about every clip, past every log level of FFmpeg.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        return av.CodecContext.create(name, mode)
    except (av.error.FFmpegError, ValueError) as error:
        raise VqtoolError(f"this FFmpeg has no {name}: install a PyAV that was built with it") from error


def _units(packet: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B stream."""
    for part in packet.split(b"\0\0\1")[1:]:
        yield part.rstrip(b"\0")


def h264_payload(packet: bytes) -> int:
    """Bytes of the coded slices (NAL unit types 1 to 5, ITU-T H.264, table 7-1)."""
    return sum(len(unit) for unit in _units(packet) if 1 <= unit[0] & 31 <= 5)


def h265_payload(packet: bytes) -> int:
    """Bytes of the coded slices (NAL unit types below 32, ITU-T H.265, table 7-1)."""
    return sum(len(unit) for unit in _units(packet) if (unit[0] >> 1) & 63 < 32)


def av1_payload(packet: bytes) -> int:
    """Bytes of all but temporal delimiters and sequence headers (OBU types 2 and 1, AV1, section 6.2.2)."""
    num_bytes, position = 0, 0
    while position < len(packet):
        kind, start = packet[position] >> 3 & 15, position
        position += 2 if packet[position] & 4 else 1
        size = shift = 0
        while True:
            byte = packet[position]
            position += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        position += size
        num_bytes += 0 if kind in (1, 2) else position - start
    return num_bytes


X264 = VideoFormat("libx264", "h264", {"preset": "veryslow", "g": "1000"}, h264_payload, 16)
# Below one coding tree unit (64 pixels) x265 and SVT-AV1 write outside their buffers and take the process with them.
X265 = VideoFormat(
    "libx265", "hevc", {"preset": "veryslow", "g": "1000", "x265-params": "log-level=none"}, h265_payload, 64
)
SVT_AV1 = VideoFormat("libsvtav1", "libdav1d", {"preset": "2", "g": "1000"}, av1_payload, 64)
VIDEO_FORMATS: dict[str, tuple[VideoFormat, tuple[int, ...]]] = {
    "x264": (X264, (51, 46, 40, 34)),
    "x265": (X265, (51, 46, 40, 34)),
    "SVT-AV1": (SVT_AV1, (63, 56, 48, 40)),
}
PICTURE_FORMATS: dict[str, tuple[str, tuple[int, ...]]] = {"JPEG": ("JPEG", (1, 10, 30)), "WebP": ("WEBP", (0, 10, 30))}
