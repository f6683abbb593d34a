"""What a user names as input: video files, pictures, folders of either, and what is piped in."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from vqtool.data import Frames
from vqtool.data.image_folder import IMAGE_SUFFIXES, decode_image, numbered_images, read_image
from vqtool.data.resize import resize
from vqtool.data.sources.video_tree import VIDEO_SUFFIXES, find_videos
from vqtool.data.video import open_track, resized_blocks
from vqtool.errors import DataError

STDIN = Path("-")
"""How a user names what is piped in."""
PICTURES_FPS = 6.0
"""Frames a second at which pictures are shown, which have no rate: that of RoboNet's robots."""
PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
MAX_NAME = 200
"""Characters of a name: with a suffix it is still a file name anywhere."""


@dataclass(frozen=True)
class VideoInput:
    """A video file, a picture, a folder of numbered pictures, or `STDIN`; `name` is no other input's."""

    name: str
    path: Path

    @property
    def label(self) -> str:
        """What messages call it."""
        return "stdin" if self.path == STDIN else f"video {self.path}"


def find_inputs(given: Sequence[Path]) -> tuple[list[VideoInput], list[str]]:
    """The inputs that files, folders (with all below) and `-` stand for, each once; and what is wrong, a line each.

    Files are not looked into, so that one which is missing or damaged is told when it is read.
    """
    found: dict[Path, VideoInput] = {}
    problems = []
    names: set[str] = set()
    for path in given:
        inside = _inside(path)
        if not inside:
            problems.append(_nothing_in(path))
        for name, video in inside:
            key = video if video == STDIN else video.resolve()
            if key not in found:
                found[key] = VideoInput(_unique(name, video.suffix, names), video)
    return list(found.values()), problems


def read_input(source: VideoInput, size: int, max_frames: int | None, stdin: BinaryIO | None) -> tuple[Frames, float]:
    """The first `max_frames` frames (default: all), `size` x `size` pixels, and the frames a second.

    A picture is a video of one frame. `stdin` is where `STDIN` reads from, None where nothing is piped in.

    Raises:
        DataError: missing, neither a video nor a picture of a known kind, damaged, or without a frame.
    """
    try:
        if source.path.is_dir():
            return _fitted(_numbered(source.path), size, max_frames), PICTURES_FPS
        with _opened(source, stdin) as stream:
            return _read_stream(stream, size, max_frames)
    except OSError as error:
        raise DataError(f"cannot read {source.label}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"cannot read {source.label}: {error}") from error


def _inside(path: Path) -> list[tuple[str, Path]]:
    """Name and path of each input that `path` stands for."""
    if path == STDIN:
        return [("stdin", path)]
    if not path.is_dir():
        return [(path.stem, path)]
    videos = [(video.relative_to(path).as_posix(), video, is_folder) for video, is_folder in find_videos(path)]
    # A folder may be an input itself: then its own name is one.
    return [
        (path.resolve().name if name == "." else name if is_folder else name.removesuffix(video.suffix), video)
        for name, video, is_folder in sorted(videos)
    ]


def _nothing_in(folder: Path) -> str:
    return (
        f"no video in {folder}: it holds no {', '.join(VIDEO_SUFFIXES)} file and no folder of numbered "
        f"{', '.join(IMAGE_SUFFIXES)} files; give other pictures one by one"
    )


def _unique(name: str, suffix: str, taken: set[str]) -> str:
    """A name that is free, which it then is not: with the suffix, or a number, where another input has it."""
    short = (name.replace("/", "_").lstrip(".") or "video")[:MAX_NAME]
    candidates = chain([short, short + suffix], (f"{short}-{number}" for number in count(2)))
    free = next(candidate for candidate in candidates if candidate.casefold() not in taken)
    taken.add(free.casefold())
    return free


@contextmanager
def _opened(source: VideoInput, stdin: BinaryIO | None) -> Iterator[IO[bytes]]:
    if source.path != STDIN:
        with source.path.open("rb") as stream:
            yield stream
        return
    if stdin is None:
        raise DataError("nothing is piped in: for example `cat robot.mp4 | vqtool reconstruct ... --input -`")
    # An MP4 is read from its end too, which a pipe does not let.
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stdin, copy)
        if not copy.tell():
            raise DataError("it is empty")
        copy.seek(0)
        yield copy


def _read_stream(stream: IO[bytes], size: int, max_frames: int | None) -> tuple[Frames, float]:
    start = stream.read(max(map(len, PICTURE_STARTS)))
    stream.seek(0)
    if start.startswith(PICTURE_STARTS):
        return _fitted(iter([decode_image(stream)]), size, max_frames), PICTURES_FPS
    with open_track(stream) as (fps, frames):
        return _fitted(frames, size, max_frames), fps


def _numbered(folder: Path) -> Iterator[Frames]:
    for file in numbered_images(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")):
        yield read_image(folder / file)


def _fitted(frames: Iterator[Frames], size: int, max_frames: int | None) -> Frames:
    return np.concatenate(list(resized_blocks(islice(frames, max_frames), partial(resize, height=size, width=size))))
