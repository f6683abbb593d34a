"""Video files: reading MP4, MKV, WebM, AVI, MOV and GIF; writing MP4, GIF and PNG."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import IO

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from vqtool.core.atomic import write_atomic
from vqtool.data import Frames
from vqtool.data.resize import resize
from vqtool.errors import DataError

CONTAINERS = "mov,mp4,matroska,webm,avi,gif"
"""What may be read, by FFmpeg's names: no playlists, which could open other files or the network."""
PROBE_NOTHING = ({"codec_whitelist": "none"},)
"""Stops FFmpeg from decoding the first frames once more to learn what an MP4's header says too: 4 ms of 20 a clip."""
WRITABLE = (".mp4", ".gif", ".png")
H264_OPTIONS = {"crf": "18", "x264-params": "mbtree=0"}
"""Visually lossless. With mbtree x264 (core 165) reads memory nobody wrote: the same frames gave different files."""
DEFAULT_FPS = 25.0
BLOCK_FRAMES = 32
BLOCK_BYTES = 1 << 26
MAX_PIXELS = 1 << 26
"""Of a frame; a damaged header must not ask for all memory."""
PALETTE_PIXELS = 1 << 20
"""Pixels that a GIF's palette is drawn from."""


def read_video(path: Path, size: int | None = None, max_frames: int | None = None) -> tuple[Frames, float]:
    """Read the first `max_frames` frames (default: all) and the frame rate in frames/s.

    With `size`, frames become `size` x `size` pixels as in preprocessing; only the resized ones are kept in memory.

    Raises:
        DataError: missing, not a video of a known kind, damaged, or without a frame.
    """
    resize_block = partial(resize, height=size, width=size) if size else None
    try:
        with path.open("rb") as stream, open_track(stream) as (fps, frames):
            blocks = list(resized_blocks(islice(frames, max_frames), resize_block))
    except OSError as error:
        raise DataError(f"cannot read video {path}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"cannot read video {path}: {error}") from error
    return np.concatenate(blocks), fps


@contextmanager
def open_track(stream: IO[bytes]) -> Iterator[tuple[float, Iterator[Frames]]]:
    """The frame rate in frames/s and the frames (H, W, 3), one after the other, of the first video track.

    Raises:
        DataError: not a video of a known container, or damaged; also inside the `with`, while iterating.
    """
    with open_container(stream) as (file, track):
        yield float(track.average_rate or DEFAULT_FPS), decode_track(file, track)


@contextmanager
def open_mp4(stream: IO[bytes]) -> Iterator[Iterator[Frames]]:
    """The frames (H, W, 3), one after the other, of an MP4's first video track; its frame rate is not looked for.

    Raises:
        DataError: as `open_track`.
    """
    with open_container(stream, "mov,mp4", PROBE_NOTHING) as (file, track):
        yield decode_track(file, track)


@contextmanager
def open_container(
    stream: IO[bytes], containers: str = CONTAINERS, probing: Sequence[dict[str, str]] = ()
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open file and its first video track, which decodes on one thread.

    `probing` is what FFmpeg's own decoder of each track is told with which it looks for what the header leaves open.

    Raises:
        DataError: as `open_track`.
    """
    try:
        # Titles and the like are often in no known encoding; nothing here reads them.
        with av.open(  # type: ignore[call-overload]  # the stub wants text where dicts belong
            stream,
            "r",
            metadata_errors="replace",
            options={"format_whitelist": containers},
            stream_options=list(probing),
        ) as file:
            if not file.streams.video:
                raise DataError("it has no video track")
            track = file.streams.video[0]
            if track.codec_context is None:
                raise DataError("there is no decoder for its video track")
            track.thread_count = 1
            track.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            yield file, track
    except av.error.FFmpegError as error:
        raise DataError(f"not a video that can be decoded ({error.strerror})") from error


def stack_frames(frames: Iterable[Frames], max_frames: int) -> Frames:
    """The first `max_frames` frames (H, W, 3), or as many as there are, as (T, H, W, 3).

    Raises:
        DataError: no frame at all, or frames of different sizes.
    """
    stacked: Frames | None = None
    count = 0
    for frame in islice(frames, max_frames):
        if stacked is None:
            stacked = np.empty((max_frames, *frame.shape), dtype=np.uint8)
        if frame.shape != stacked.shape[1:]:
            raise DataError(f"frame {count} has another size than the first")
        stacked[count] = frame
        count += 1
    if stacked is None:
        raise DataError("it has no frame")
    return stacked[:count]


def stack_resized(frames: Iterable[Frames], max_frames: int, resize_block: Callable[[Frames], Frames]) -> Frames:
    """The first `max_frames` frames (H, W, 3), or as many as there are, resized; a block at a time is held as it was.

    Raises:
        DataError: no frame at all, or frames of different sizes.
    """
    blocks = list(resized_blocks(islice(frames, max_frames), resize_block))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def write_video(path: Path, frames: Frames, fps: float) -> None:
    """Write frames (T, H, W, 3) as `.mp4` or `.gif`, or one picture (H, W, 3) as `.png`; whole or not at all.

    Raises:
        DataError: another suffix.
        VqtoolError: no space left, or the folder cannot be written.
    """
    match path.suffix.lower():
        case ".mp4":
            content = encode_mp4(frames, fps)
        case ".gif":
            content = encode_gif(frames, fps)
        case ".png":
            content = _encode_png(frames)
        case suffix:
            known = ", ".join(WRITABLE)
            raise DataError(f"cannot write {path}: {suffix or 'no suffix'} is none of {known}; choose one of these")
    write_atomic(path, content)


def encode_mp4(frames: Frames, fps: float) -> bytes:
    """The frames (T, H, W, 3) as H.264; even sizes with halved colour resolution, which every player knows."""
    _, height, width, _ = frames.shape
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        track = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=H264_OPTIONS)
        track.height, track.width = height, width
        track.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        converter = VideoReformatter()
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            file.mux(track.encode(converter.reformat(picture, format=track.pix_fmt, threads=1)))
        file.mux(track.encode(None))
    return buffer.getvalue()


def encode_gif(frames: Frames, fps: float) -> bytes:
    """The frames (T, H, W, 3) as an endless GIF with one palette for all of them and no dithering."""
    palette = common_palette(frames)
    pictures = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    # GIF counts time in 1/100 s, and viewers slow down what is faster than 1/50 s.
    milliseconds = max(round(100 / fps), 2) * 10
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return buffer.getvalue()


def common_palette(frames: Frames) -> Image.Image:
    """A picture whose palette has the 256 colours that suit all frames (T, H, W, 3)."""
    pixels = frames.reshape(-1, 3)
    sample = pixels[:: -(-len(pixels) // PALETTE_PIXELS)]
    return Image.fromarray(sample[None]).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _encode_png(picture: Frames) -> bytes:
    if picture.ndim != 3:
        raise DataError(f"a .png holds one picture, not {len(picture)} frames: choose .gif or .mp4")
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def decode_track(file: InputContainer, track: VideoStream) -> Iterator[Frames]:
    """The frames (H, W, 3) of an open track, one after the other.

    Raises:
        DataError: a frame is damaged; what FFmpeg itself reports leaves as its own error, for `open_container`.
    """
    # One converter for all frames: a new one each, with its threads, costs more than decoding a small frame.
    converter = VideoReformatter()
    for frame in file.decode(track):
        if frame.is_corrupt:
            raise DataError("a frame is damaged")
        yield to_rgb(frame, converter)


def to_rgb(frame: av.VideoFrame, converter: VideoReformatter) -> Frames:
    """A decoded frame as (H, W, 3), upright as its rotation metadata says, over black where it is transparent."""
    if _has_alpha(frame.format.name):
        picture = converter.reformat(frame, format="rgba", threads=1).to_ndarray()
        pixels = over_black(np.asarray(picture, dtype=np.uint8))
    else:
        pixels = np.asarray(converter.reformat(frame, format="rgb24", threads=1).to_ndarray(), dtype=np.uint8)
    quarter_turns = round(frame.rotation / 90) % 4
    return np.rot90(pixels, quarter_turns) if quarter_turns else pixels


def over_black(picture: Frames) -> Frames:
    """RGBA (H, W, 4) as RGB (H, W, 3) in front of black."""
    alpha = picture[..., 3:].astype(np.uint16)
    return ((picture[..., :3] * alpha + 127) // 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _has_alpha(pixel_format: str) -> bool:
    return any(component.is_alpha for component in av.VideoFormat(pixel_format).components)


def resized_blocks(frames: Iterator[Frames], resize_block: Callable[[Frames], Frames] | None) -> Iterator[Frames]:
    """Frames (H, W, 3) stacked to blocks (T, H, W, 3), at least one, each resized before the next one is read.

    Raises:
        DataError: no frame at all, or frames of different sizes.
    """
    first = next(frames, None)
    if first is None:
        raise DataError("it has no frame")
    shape = first.shape
    # A block of large frames must not take all memory.
    num_frames = min(max(BLOCK_BYTES // first.nbytes, 1), BLOCK_FRAMES)
    while first is not None:
        if first.shape != shape:
            raise DataError("its frames change their size")
        block = stack_frames(chain([first], frames), num_frames)
        yield resize_block(block) if resize_block else block
        first = next(frames, None)
