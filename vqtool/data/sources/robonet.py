"""RoboNet's HDF5 files (Dasari et al. 2019): one trajectory a file, several cameras, mp4 or jpg payloads."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import simplejpeg

from vqtool.data import Frames
from vqtool.data.shards import Rows
from vqtool.data.sources.base import Resize, Trajectory, UnusableError
from vqtool.data.video import open_track, stack_frames
from vqtool.errors import DataError

SUFFIX = ".hdf5"
MAX_PIXELS = 1 << 26
"""Of a frame; a damaged header must not ask for all memory."""


@dataclass(frozen=True)
class RobonetSource:
    """The `.hdf5` files below a folder; a trajectory's name is its path without the suffix."""

    folder: Path

    def trajectories(self) -> dict[str, str]:
        """Names and files, relative to the folder; see `Source.trajectories`."""
        if not self.folder.is_dir():
            raise DataError(f"no input folder {self.folder}: give the folder of RoboNet's {SUFFIX} files with --input")
        files = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob(f"*{SUFFIX}"))
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
                return _read(file, resize, min_frames)
        except KeyError as error:
            raise UnusableError("foreign", f"not RoboNet's layout: {error.args[0]}") from error
        except (OSError, RuntimeError) as error:
            raise UnusableError("damaged", str(error)) from error


def _read(file: Any, resize: Resize, min_frames: int) -> Trajectory:
    env = file["env"]
    encoding = _text(env.attrs["cam_encoding"])
    cameras = [f"cam{number}" for number in range(int(env.attrs["n_cams"]))]
    groups = {camera: env[f"{camera}_video"] for camera in cameras}
    match encoding:
        case "mp4":
            lengths = [int(group["frames"].attrs["T"]) for group in groups.values()]
        case "jpg":
            lengths = [len(group) for group in groups.values()]
        case _:
            raise UnusableError("unknown encoding", f"cam_encoding {encoding!r} is neither mp4 nor jpg")
    if not lengths:
        raise UnusableError("inconsistent", "it has no camera")
    state, action = env["state"], file["policy/actions"]
    length = min(len(state), len(action) + 1, *lengths)
    if length < min_frames:
        raise UnusableError("too short", f"{length} usable frames, fewer than {min_frames}")
    decode_camera = _decode_mp4 if encoding == "mp4" else _decode_jpg
    return Trajectory(
        robot=_text(file["metadata"].attrs["robot"]),
        videos={camera: decode_camera(group, length, resize) for camera, group in groups.items()},
        states=_rows(state, length),
        actions=_rows(action, length),
    )


def _decode_mp4(group: Any, length: int, resize: Resize) -> Frames:
    payload = group["frames"]
    try:
        with open_track(io.BytesIO(_bytes(payload)), containers="mov,mp4") as (_, decoded):
            frames = stack_frames(decoded, length)
    except DataError as error:
        raise UnusableError("damaged", f"{group.name}: {error}") from error
    if len(frames) < length:
        raise UnusableError("damaged", f"{group.name}: {len(frames)} of {length} frames can be decoded")
    return _to_rgb(resize(frames), payload)


def _decode_jpg(group: Any, length: int, resize: Resize) -> Frames:
    payloads = [group[f"frame{number}"] for number in range(length)]
    try:
        frames = stack_frames((_decode_one_jpg(_bytes(payload)) for payload in payloads), length)
    except (DataError, ValueError) as error:
        raise UnusableError("damaged", f"{group.name}: {error}") from error
    return _to_rgb(resize(frames), payloads[0])


def _decode_one_jpg(payload: bytes) -> Frames:
    height, width, *_ = simplejpeg.decode_jpeg_header(payload, strict=True)
    if height * width > MAX_PIXELS:
        raise ValueError(f"a frame claims {width} x {height} pixels")
    frame: Frames = simplejpeg.decode_jpeg(payload, colorspace="RGB", strict=True)
    return frame


def _to_rgb(frames: Frames, payload: Any) -> Frames:
    """Decoders yield RGB; RoboNet reverses the channels once more where the recorder had called them BGR."""
    image_format = _text(payload.attrs["image_format"])
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
    recorded = dataset[:length]
    rows = np.full((length, dataset.shape[1]), np.nan, dtype=np.float32)
    rows[: len(recorded)] = recorded
    return rows


def _bytes(dataset: Any) -> bytes:
    return np.asarray(dataset[()], dtype=np.uint8).tobytes()


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(letter for letter in text if letter.isprintable())[:200]
