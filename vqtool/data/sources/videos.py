"""A folder tree of video files and of folders of numbered images: each a trajectory, or a camera of one."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from vqtool.data import Frames
from vqtool.data.image_folder import IMAGE_SUFFIXES, is_numbered_image, numbered_images, read_image
from vqtool.data.sources.base import Resize, Trajectory, UnusableError
from vqtool.data.sources.names import escape, short_names, unescape
from vqtool.data.sources.video_tree import SUFFIXES, VIDEO_SUFFIXES, find_videos, is_video_file
from vqtool.data.store_writer import SHARD_BYTES
from vqtool.data.timed_frames import FrameChoice, timed_frames
from vqtool.data.video import open_container, resized_blocks
from vqtool.errors import DataError

logger = logging.getLogger(__name__)

ROBOT = "unknown"
CAMERA = "cam0"
DOT = "%2E"


@dataclass(frozen=True)
class VideosSource:
    """The videos below a folder.

    A trajectory's name is its path without the suffix. With `by_folder`, a folder is a trajectory and each video in it
    a camera of the same name; its cameras are cut to the shortest one.
    """

    folder: Path
    by_folder: bool = False
    choice: FrameChoice = field(default_factory=FrameChoice)

    def trajectories(self) -> dict[str, str]:
        """Names and files or folders, relative to the folder; see `Source.trajectories`."""
        if not self.folder.is_dir():
            raise DataError(f"no input folder {self.folder}: give the folder of the videos with --input")
        found = {path.relative_to(self.folder).as_posix(): is_folder for path, is_folder in find_videos(self.folder)}
        if not found:
            kinds = ", ".join(VIDEO_SUFFIXES)
            raise DataError(
                f"no video in {self.folder}: give a folder of {kinds} files, "
                f"or of folders with numbered {' or '.join(IMAGE_SUFFIXES)} images, with --input"
            )
        self._warn_of_images(sum(found.values()))
        names = self._parents(list(found)) if self.by_folder else self._names(found)
        return {name: escape(names[name]) for name in sorted(names)}

    def read(self, name: str, resize: Resize, min_frames: int) -> Trajectory:
        """One video, or one folder of them; see `Source.read`."""
        path = self.folder / unescape(name)
        cameras = self._cameras(path) if self.by_folder else {CAMERA: _find(path)}
        videos = {camera: self._read_video(video, resize) for camera, video in cameras.items()}
        length = min(len(frames) for frames in videos.values())
        if length < min_frames:
            raise UnusableError("too short", f"{length} usable frames, fewer than {min_frames}")
        nothing = np.empty((length, 0), dtype=np.float32)
        return Trajectory(ROBOT, {camera: frames[:length] for camera, frames in videos.items()}, nothing, nothing)

    def _names(self, found: dict[str, bool]) -> dict[str, str]:
        """The input folder itself may hold images; a mere dot would be no name to make a file of."""
        names = dict(short_names([path for path in found if path != "."], SUFFIXES))
        return names | ({DOT: "."} if "." in found else {})

    def _parents(self, found: list[str]) -> dict[str, str]:
        """The folders of the videos."""
        parents = {Path(path).parent.as_posix() for path in found if path != "."} - {"."}
        stray = [path for path in found if "/" not in path]
        if not parents:
            raise DataError(
                f"the videos lie directly in {self.folder}, but --cameras subfolder takes each folder below for a "
                "trajectory: give the folder above as --input, or leave --cameras out"
            )
        if stray:
            logger.warning(
                "--cameras subfolder: %d videos that lie directly in %s are left out, such as %s",
                len(stray),
                self.folder,
                stray[0],
            )
        return {escape(parent): parent for parent in parents}

    def _cameras(self, folder: Path) -> dict[str, Path]:
        """The videos directly in `folder`, by their names in the order of these."""
        found = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".") and _is_video(entry)]
        if not found:
            raise UnusableError("foreign", "the folder holds no video")
        return {camera: folder / file for camera, file in sorted(short_names(found, SUFFIXES).items())}

    def _warn_of_images(self, num_folders: int) -> None:
        if num_folders and self.choice.fps:
            logger.warning("--fps says nothing to %d folders of images, which have no times: use --stride", num_folders)

    def _read_video(self, path: Path, resize: Resize) -> Frames:
        """Decoded, chosen and resized frames, a block at a time."""
        try:
            frames = self._images(path) if path.is_dir() else self._frames(path)
            return _bounded(frames, resize)
        except DataError as error:
            raise UnusableError("damaged", f"{path.name}: {error}") from error
        except OSError as error:
            raise UnusableError("damaged", f"{path.name}: {error.strerror or error}") from error

    def _frames(self, path: Path) -> Iterator[Frames]:
        if path.stat().st_size == 0:
            raise DataError("the file is empty")
        with path.open("rb") as stream, open_container(stream) as (file, track):
            yield from self.choice.choose(timed_frames(file, track))

    def _images(self, folder: Path) -> Iterator[Frames]:
        try:
            files = numbered_images(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        except DataError as error:
            raise UnusableError("inconsistent", str(error)) from error
        stop = self.choice.max_frames * self.choice.stride or None
        for file in files[: stop : self.choice.stride]:
            yield read_image(folder / file)


def _bounded(frames: Iterator[Frames], resize: Resize) -> Frames:
    """All frames, resized, up to what a shard holds: an endless video must not take all memory."""
    blocks: list[Frames] = []
    for block in resized_blocks(frames, resize):
        blocks.append(block)
        if sum(block.nbytes for block in blocks) > SHARD_BYTES:
            length = sum(len(block) for block in blocks)
            raise UnusableError("too long", f"{length} frames or more: set --max-frames, --stride or --fps")
    return np.concatenate(blocks)


def _is_video(path: Path) -> bool:
    if path.is_dir():
        return any(is_numbered_image(entry.name) for entry in path.iterdir())
    return is_video_file(path)


def _find(path: Path) -> Path:
    """The file or folder of a name, which lacks its suffix unless another one has the same name."""
    candidates = chain([path], (path.with_name(path.name + suffix) for suffix in SUFFIXES))
    for candidate in candidates:
        if is_video_file(candidate) or (candidate == path and path.is_dir()):
            return candidate
    raise UnusableError("damaged", f"{path.name} is gone")
