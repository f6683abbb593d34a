"""RoboNet's own way to read a file, written down again with OpenCV only: the pixels that must come out."""

import tempfile
from pathlib import Path

import cv2
import h5py
import numpy as np


def read_robonet(path: Path, size: int) -> dict[str, np.ndarray]:
    """Camera name -> uint8 RGB (T, size, size, 3)."""
    with h5py.File(path, "r") as file:
        env = file["env"]
        encoding = env.attrs["cam_encoding"]
        cameras = [f"cam{number}" for number in range(env.attrs["n_cams"])]
        image_counts = [_image_count(env[f"{camera}_video"], encoding) for camera in cameras]
        length = min(len(env["state"]), len(file["policy/actions"]) + 1, *image_counts)
        return {camera: _read_camera(env[f"{camera}_video"], encoding, length, size) for camera in cameras}


def _image_count(group: h5py.Group, encoding: str) -> int:
    return int(group["frames"].attrs["T"]) if encoding == "mp4" else len(group)


def _read_camera(group: h5py.Group, encoding: str, length: int, size: int) -> np.ndarray:
    if encoding == "mp4":
        frames, attributes = _read_mp4(group["frames"][:].tobytes()), group["frames"].attrs
    else:
        payloads = [group[f"frame{number}"][:] for number in range(length)]
        frames = [cv2.imdecode(payload, cv2.IMREAD_COLOR)[:, :, ::-1] for payload in payloads]
        attributes = group["frame0"].attrs
    resized = np.stack([_resize(np.ascontiguousarray(frame), size) for frame in frames[:length]])
    return resized[..., ::-1] if attributes["image_format"] == "BGR" else resized


def _read_mp4(payload: bytes) -> list[np.ndarray]:
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(payload)
        file.flush()
        capture = cv2.VideoCapture(file.name, cv2.CAP_FFMPEG)
        frames = []
        while True:
            more, frame = capture.read()
            if not more:
                return frames
            frames.append(frame[:, :, ::-1])


def _resize(frame: np.ndarray, size: int) -> np.ndarray:
    shrinks = size * size < frame.shape[0] * frame.shape[1]
    return cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
