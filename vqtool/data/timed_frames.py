"""Frames with their time in the video, decoded in order, and the choice of some of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import av
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from vqtool.data import Frames
from vqtool.data.video import DEFAULT_FPS, MAX_PIXELS, to_rgb
from vqtool.errors import DataError

ROUNDING_SECONDS = Fraction(2, 1000)
"""How far the length of a video may be off, since containers such as Matroska count whole milliseconds."""

MAX_REPEATS = 10_000
"""Of one frame, where the sampling rate is above the video's; a damaged time must not ask for millions."""


@dataclass(frozen=True)
class TimedFrame:
    """A frame at a time in seconds; `load` makes its pixels (H, W, 3), which costs more than knowing of it."""

    seconds: Fraction
    load: Callable[[], Frames]


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of a video are taken: at `fps` frames/s, then every `stride`-th, then the first `max_frames`.

    `fps` 0 is all frames, `max_frames` 0 has no end.
    """

    fps: float = 0.0
    stride: int = 1
    max_frames: int = 0

    def choose(self, frames: Iterator[TimedFrame]) -> Iterator[Frames]:
        """The pixels (H, W, 3) of the chosen frames; what is not chosen is decoded, but not converted."""
        timed = nearest_frames(frames, Fraction(str(self.fps))) if self.fps else frames
        for frame in islice(timed, 0, self.max_frames * self.stride or None, self.stride):
            yield frame.load()


def timed_frames(
    file: InputContainer, track: VideoStream, start_seconds: Fraction | None = None
) -> Iterator[TimedFrame]:
    """The frames of a track in the order of their time, with `start_seconds` from the key frame before it.

    Raises:
        DataError: a frame is damaged, when it is loaded.
    """
    if start_seconds is not None and track.time_base:
        file.seek(int(start_seconds / track.time_base), stream=track)
    converter = VideoReformatter()
    step = 1 / (track.average_rate or Fraction(DEFAULT_FPS))
    seconds = -step
    for frame in file.decode(track):
        seconds = seconds + step if frame.pts is None else frame.pts * Fraction(frame.time_base or 1)
        yield TimedFrame(seconds, _Load(frame, converter))


def nearest_frames(frames: Iterator[TimedFrame], fps: Fraction) -> Iterator[TimedFrame]:
    """For each 1/fps seconds from the first frame to the last, the frame whose time is nearest (the earlier of two).

    Raises:
        DataError: two frames lie absurdly far apart.
    """
    before = next(frames, None)
    if before is None:
        return
    wanted = before.seconds
    for after in frames:
        if (after.seconds - before.seconds) * fps > MAX_REPEATS:
            raise DataError(
                f"a frame seems to last {float(after.seconds - before.seconds):,.0f} s: its times are damaged"
            )
        while 2 * wanted <= before.seconds + after.seconds:
            yield before
            wanted += 1 / fps
        before = after
    while wanted <= before.seconds + ROUNDING_SECONDS:
        yield before
        wanted += 1 / fps


@dataclass(frozen=True)
class _Load:
    frame: av.VideoFrame
    converter: VideoReformatter

    def __call__(self) -> Frames:
        if self.frame.is_corrupt:
            raise DataError("a frame is damaged")
        if self.frame.width * self.frame.height > MAX_PIXELS:
            raise DataError(f"a frame claims {self.frame.width} x {self.frame.height} pixels")
        return to_rgb(self.frame, self.converter)
