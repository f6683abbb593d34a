"""Videos written as their frames come: MP4, GIF, animated WebP, a folder of PNG files, or one of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from vqtool.core.atomic import atomic_file, atomic_folder
from vqtool.data import Frames
from vqtool.data.video import H264_OPTIONS, common_palette
from vqtool.data.webp_writer import WebpWriter
from vqtool.errors import DataError

SUFFIXES = (".mp4", ".gif", ".webp", ".png")
MAX_GIF_FPS = 50

WriteFrames = Callable[[Frames], None]


def check_video_output(path: Path) -> None:
    """Say early what could not be written.

    Raises:
        DataError: a suffix that is none of SUFFIXES, or a folder that exists.
    """
    if path.suffix and path.suffix.lower() not in SUFFIXES:
        raise DataError(f"--output {path}: expected a folder or a file ending in {', '.join(SUFFIXES)}")
    if path.suffix and path.is_dir():
        raise DataError(f"--output {path} is a folder: give another name")
    if not path.suffix and path.exists():
        raise DataError(f"--output {path} exists already: remove it or choose another name")


@contextmanager
def open_video_writer(path: Path, fps: Fraction) -> Iterator[WriteFrames]:
    """Yield what takes the next frames, uint8 RGB (T, H, W, 3); the video appears whole or not at all.

    `.mp4` is H.264, visually lossless; `.gif` endless, with the palette of the first frames given; `.webp` lossy and
    endless; no suffix a folder of `000000.png` and so on; `.png` the only frame.

    Raises:
        DataError: another suffix, or a second frame for a `.png`.
        VqtoolError: no space left, or it cannot be written.
    """
    check_video_output(path)
    if not path.suffix:
        with open_picture_folder(path) as write:
            yield write
        return
    suffix = path.suffix.lower()
    if suffix == ".png":
        with atomic_file(path) as stream:
            yield _picture_writer(stream)
        return
    if suffix == ".webp":
        with atomic_file(path) as stream:
            animation = WebpWriter(stream, fps)
            yield animation.write
            animation.finish()
        return
    with atomic_file(path) as stream, av.open(stream, "w", format=suffix[1:], options=_LOOPS[suffix]) as file:
        writer = {".mp4": _mp4_writer, ".gif": _gif_writer}[suffix](file, fps)
        yield writer
        for track in file.streams.video:
            file.mux(track.encode(None))


@contextmanager
def open_picture_folder(path: Path) -> Iterator[WriteFrames]:
    """Yield what takes the next frames, as `open_video_writer`, for a folder of a picture a frame, whatever its name.

    Raises:
        VqtoolError: it exists, no space left, or it cannot be written.
    """
    with atomic_folder(path) as folder:
        count = 0

        def write(frames: Frames) -> None:
            nonlocal count
            for frame in frames:
                Image.fromarray(frame).save(folder / f"{count:06d}.png")
                count += 1

        yield write


_LOOPS = {".mp4": {}, ".gif": {"loop": "0"}}


def _picture_writer(stream: BinaryIO) -> WriteFrames:
    def write(frames: Frames) -> None:
        if len(frames) > 1 or stream.tell():
            others = ", ".join(suffix for suffix in SUFFIXES if suffix != ".png")
            raise DataError(f"a .png holds one picture, and there are more frames: give a folder or a {others} file")
        Image.fromarray(frames[0]).save(stream, "PNG")

    return write


def _mp4_writer(file: Any, fps: Fraction) -> WriteFrames:
    """Colours are halved in resolution where sizes are even, which every player knows."""
    track = file.add_stream("libx264", rate=fps, options=H264_OPTIONS)
    converter = VideoReformatter()

    def write(frames: Frames) -> None:
        if not track.codec_context.is_open:
            _, height, width, _ = frames.shape
            track.height, track.width = height, width
            track.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            file.mux(track.encode(converter.reformat(picture, format=track.pix_fmt, threads=1)))

    return write


def _gif_writer(file: Any, fps: Fraction) -> WriteFrames:
    # Viewers slow down what is faster than 1/50 s.
    track = file.add_stream("gif", rate=min(fps, Fraction(MAX_GIF_FPS)))
    track.pix_fmt = "pal8"
    palette: Image.Image | None = None

    def write(frames: Frames) -> None:
        nonlocal palette
        if palette is None:
            _, track.height, track.width, _ = frames.shape
            palette = common_palette(frames)
        table = _argb_table(palette)
        for frame in frames:
            indices = np.asarray(Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE))
            picture: Any = (np.ascontiguousarray(indices), table)
            file.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="pal8")))

    return write


def _argb_table(palette: Image.Image) -> Frames:
    """The colours of a palette picture as PyAV takes them: (256, 4), alpha first."""
    table = np.full((256, 4), 255, dtype=np.uint8)
    colours = np.array(palette.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    table[: len(colours), 1:] = colours
    return table
