"""RoboNet's HDF5 files (Dasari et al. 2019): one trajectory a file, several cameras, mp4 or jpg payloads."""

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from vqtool.data import Frames
from vqtool.data.shards import Rows
from vqtool.data.sources.base import Resize, Trajectory, UnusableError
from vqtool.data.sources.hdf5 import attribute_text, bytes_at, bytes_of, clean_text, dataset_at, group_at
from vqtool.data.video import MAX_PIXELS, open_mp4, stack_resized
from vqtool.errors import DataError

logger = logging.getLogger(__name__)

SUFFIX = ".hdf5"
MAX_CAMERAS = 64
MAX_COLUMNS = 1024
MAX_FRAMES = 1 << 15
"""Bounds that a damaged file's numbers must keep, so that none of them asks for all memory; far above RoboNet's."""


@dataclass(frozen=True)
class RobonetSource:
    """The `.hdf5` files below a folder; a trajectory's name is its path without the suffix."""

    folder: Path

    def trajectories(self) -> dict[str, str]:
        """Names and files, relative to the folder; see `Source.trajectories`."""
        if not self.folder.is_dir():
            raise DataError(f"no input folder {self.folder}: give the folder of RoboNet's {SUFFIX} files with --input")
        files = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob(f"*{SUFFIX}"))
        # Names go into text files, so one that is no text (bytes of another encoding) cannot be used.
        unnamed = [file for file in files if not file.isprintable()]
        if unnamed:
            logger.warning("left out %d files whose names are not text, such as %r", len(unnamed), unnamed[0])
            files = [file for file in files if file.isprintable()]
        if not files:
            raise DataError(f"no {SUFFIX} file in {self.folder}: give the folder of RoboNet's files with --input")
        return {file.removesuffix(SUFFIX): file for file in files}

    def read(self, name: str, resize: Resize, min_frames: int) -> Trajectory:
        """One file; see `Source.read`."""
        path = self.folder / f"{name}{SUFFIX}"
        try:
            if path.stat().st_size == 0:
                raise UnusableError("damaged", "the file is empty")
            if not h5py.is_hdf5(path):
                raise UnusableError("foreign", "not an HDF5 file")
            # Without a lock: shared file systems often have none, and nobody writes these files.
            with h5py.File(path, "r", locking=False) as file:
                return _read(file, path.stat().st_size, resize, min_frames)
        except (KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
            raise UnusableError("foreign", f"not RoboNet's layout: {clean_text(error)}") from error
        except (OSError, RuntimeError, MemoryError) as error:
            raise UnusableError("damaged", clean_text(error)) from error


def _read(file: Any, file_bytes: int, resize: Resize, min_frames: int) -> Trajectory:
    env = group_at(file, "env")
    encoding = attribute_text(env, "cam_encoding")
    if encoding not in ("mp4", "jpg"):
        raise UnusableError("unknown encoding", f"cam_encoding {encoding!r} is neither mp4 nor jpg")
    num_cameras = int(env.attrs["n_cams"])
    if not 1 <= num_cameras <= MAX_CAMERAS:
        number = "no camera" if num_cameras == 0 else f"{num_cameras} cameras"
        raise UnusableError("inconsistent", f"it has {number}, expected 1 to {MAX_CAMERAS}")
    groups = {f"cam{number}": group_at(env, f"cam{number}_video") for number in range(num_cameras)}
    camera_class = Mp4Camera if encoding == "mp4" else JpgCamera
    cameras = {name: camera_class(group, file_bytes) for name, group in groups.items()}
    state, action = dataset_at(env, "state", file_bytes), dataset_at(file, "policy/actions", file_bytes)
    length = min(len(state), len(action) + 1, *(camera.num_frames for camera in cameras.values()))
    if length < min_frames:
        raise UnusableError("too short", f"{length} usable frames, fewer than {min_frames}")
    if length > MAX_FRAMES:
        raise UnusableError("too long", f"{length} frames, more than {MAX_FRAMES}")
    return Trajectory(
        robot=attribute_text(group_at(file, "metadata"), "robot"),
        videos={name: camera.decode(length, resize) for name, camera in cameras.items()},
        states=_rows(state, length),
        actions=_rows(action, length),
    )


class Mp4Camera:
    """A camera whose frames are one MP4 file in the dataset `frames`; it says itself how many they are."""

    def __init__(self, group: Any, file_bytes: int) -> None:
        self._name = group.name
        self._payload = dataset_at(group, "frames", file_bytes)
        self.num_frames = int(self._payload.attrs["T"])

    def decode(self, length: int, resize: Resize) -> Frames:
        """The first `length` frames, resized."""
        content = bytes_of(self._payload, "frames")
        try:
            with open_mp4(io.BytesIO(content.data)) as decoded:
                frames = stack_resized(decoded, length, resize)
        except DataError as error:
            raise UnusableError("damaged", f"{self._name}: {error}") from error
        if len(frames) < length:
            raise UnusableError("damaged", f"{self._name}: {len(frames)} of {length} frames can be decoded")
        return _to_rgb(frames, self._payload)


class JpgCamera:
    """A camera whose frames are datasets `frame0`, `frame1`, ... of a JPEG file each."""

    def __init__(self, group: Any, file_bytes: int) -> None:
        self._group, self._file_bytes = group, file_bytes
        self.num_frames = len(group)

    def decode(self, length: int, resize: Resize) -> Frames:
        """The first `length` frames, resized."""
        payloads = (bytes_at(self._group, f"frame{number}", self._file_bytes) for number in range(length))
        try:
            frames = stack_resized(map(_decode_one_jpg, payloads), length, resize)
        except (DataError, ValueError) as error:
            raise UnusableError("damaged", f"{self._group.name}: {error}") from error
        return _to_rgb(frames, self._group["frame0"])


def _decode_one_jpg(payload: NDArray[np.uint8]) -> Frames:
    height, width, *_ = simplejpeg.decode_jpeg_header(payload, strict=True)
    if height * width > MAX_PIXELS:
        raise ValueError(f"a frame claims {width} x {height} pixels")
    frame: Frames = simplejpeg.decode_jpeg(payload, colorspace="RGB", strict=True)
    return frame


def _to_rgb(frames: Frames, payload: Any) -> Frames:
    """Decoders yield RGB; RoboNet reverses the channels once more where the recorder had called them BGR."""
    image_format = attribute_text(payload, "image_format")
    match image_format:
        case "RGB":
            return frames
        case "BGR":
            return np.ascontiguousarray(frames[..., ::-1])
        case _:
            raise UnusableError("unknown encoding", f"image_format {image_format!r} is neither RGB nor BGR")


def _rows(dataset: Any, length: int) -> Rows:
    """The first `length` rows as float32 (length, columns); missing ones at the end are NaN."""
    if dataset.ndim != 2:
        raise UnusableError("inconsistent", f"{dataset.name} has shape {dataset.shape}, expected two axes")
    if dataset.dtype.kind not in "fiu":
        raise UnusableError("inconsistent", f"{dataset.name} holds {dataset.dtype}, expected numbers")
    if dataset.shape[1] > MAX_COLUMNS:
        raise UnusableError("inconsistent", f"{dataset.name} has {dataset.shape[1]} columns, more than {MAX_COLUMNS}")
    recorded = dataset[:length]
    rows = np.full((length, dataset.shape[1]), np.nan, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        rows[: len(recorded)] = recorded
    return rows
