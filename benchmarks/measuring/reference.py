"""The reference method of preprocessing: imageio's ffmpeg reader for mp4, OpenCV for jpg and for resizing."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import imageio
import numpy as np

from vqtool.data import Frames

SIZE, MIN_FRAMES = 64, 12
cv2.setNumThreads(1)


def run_reference(folder: Path) -> None:
    """The reference method on every file of a folder."""
    for file in sorted(folder.glob("*.hdf5")):
        _read(file)


def _read(file: Path) -> list[Frames]:
    """All cameras of one trajectory at 64 x 64 pixels."""
    with h5py.File(file, "r") as hdf5:
        env = hdf5["env"]
        cameras = [env[f"cam{number}_video"] for number in range(env.attrs["n_cams"])]
        length = min(len(env["state"]), len(hdf5["policy/actions"]) + 1)
        if length < MIN_FRAMES:
            return []
        decode = _mp4 if env.attrs["cam_encoding"] == "mp4" else _jpg
        return [_resize(decode(camera, length)) for camera in cameras]


def _mp4(camera: Any, length: int) -> list[Frames]:
    with imageio.get_reader(io.BytesIO(camera["frames"][()].tobytes()), format="mp4") as reader:
        return [np.asarray(frame) for frame, _ in zip(reader, range(length), strict=False)]


def _jpg(camera: Any, length: int) -> list[Frames]:
    encoded = (camera[f"frame{number}"][()] for number in range(length))
    return [cv2.imdecode(one, cv2.IMREAD_COLOR)[:, :, ::-1] for one in encoded]


def _resize(frames: Sequence[Frames]) -> Frames:
    return np.stack([cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for frame in frames])
