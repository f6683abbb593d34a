"""A source that needs no data: episodes of `vqtool.data.synthetic`, drawn, or written as RoboNet HDF5 files."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import simplejpeg
from PIL import Image

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.data import Frames
from vqtool.data.shards import Rows
from vqtool.data.sources.base import Resize, Trajectory, UnusableError
from vqtool.data.synthetic.camera import Camera, look_at
from vqtool.data.synthetic.drawing import Surroundings, paint_background, paint_frame
from vqtool.data.synthetic.motion import Episode, Shape, simulate
from vqtool.data.synthetic.textures import random_texture
from vqtool.data.video import encode_mp4

Advance = Callable[[int, int], None]

DEFAULT_TRAJECTORIES = 40
HEIGHT, WIDTH = 96, 128
OVERSAMPLING = 2
"""Frames are painted this much larger and averaged down, for smooth edges."""
FPS = 5
JPEG_QUALITY = 90
ARMS = {"red": (198, 48, 42), "grey": (150, 154, 162), "blue": (52, 104, 186)}
COLOURS = (
    (230, 60, 50),
    (245, 150, 35),
    (250, 215, 60),
    (70, 180, 85),
    (50, 150, 220),
    (130, 80, 190),
    (235, 120, 170),
    (245, 245, 240),
)
PRISM_SIDES = (3, 4, 4, 4, 6, 24, 24)


@dataclass(frozen=True)
class Recording:
    """One episode as its two cameras saw it: frames (T, 96, 128, 3), states (T, 5), actions (T - 1, 4)."""

    robot: str
    videos: dict[str, Frames]
    states: Rows
    actions: Rows


@dataclass(frozen=True)
class SyntheticSource:
    """`num_trajectories` episodes that are drawn when they are read; `seed` makes others."""

    num_trajectories: int
    seed: int

    def trajectories(self) -> dict[str, str]:
        """Names, and the seed as where they come from; see `Source.trajectories`."""
        return {_name(self.seed, number): f"seed {self.seed}" for number in range(self.num_trajectories)}

    def read(self, name: str, resize: Resize, min_frames: int) -> Trajectory:
        """Draw one episode; see `Source.read`."""
        recording = record(self.seed, int(name.rpartition("traj")[2]))
        length = len(recording.states)
        if length < min_frames:
            raise UnusableError("too short", f"{length} usable frames, fewer than {min_frames}")
        actions = np.full((length, recording.actions.shape[1]), np.nan, dtype=np.float32)
        actions[:-1] = recording.actions
        videos = {camera: resize(frames) for camera, frames in recording.videos.items()}
        return Trajectory(recording.robot, videos, recording.states, actions)


def write_synthetic(folder: Path, num_trajectories: int, seed: int, advance: Advance | None = None) -> None:
    """Write trajectories as HDF5 files in RoboNet's layout: two cameras, half mp4 and half jpg, every third BGR.

    The same `seed` writes the same files. `advance` is called with the number of files written and of all.

    Raises:
        VqtoolError: no space left, or the folder cannot be written.
    """
    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(num_trajectories):
        encoding = ("mp4", "jpg")[number % 2]
        image_format = "BGR" if number % 3 == 2 else "RGB"
        content = to_robonet(record(seed, number), encoding, image_format)
        write_atomic(folder / f"{_name(seed, number)}.hdf5", content)
        if advance:
            advance(number + 1, num_trajectories)


def record(seed: int, number: int) -> Recording:
    """Episode `number` of the world that `seed` makes: its own scene, colours, textures and cameras."""
    rng = np.random.default_rng([seed, number])
    arm = ARMS[_robot(seed, number)]
    surroundings = Surroundings(random_texture(rng), random_texture(rng), random_texture(rng), arm)
    episode = simulate(rng, _random_shapes(rng), int(rng.integers(20, 32)))
    videos = {name: _film(camera, surroundings, episode) for name, camera in _cameras(rng).items()}
    states, actions = (rows.astype(np.float32) for rows in (episode.tool, episode.actions))
    return Recording(f"arm_{_robot(seed, number)}", videos, states, actions)


def to_robonet(recording: Recording, encoding: str, image_format: str) -> bytes:
    """The content of a RoboNet HDF5 file; `encoding` is mp4 or jpg, `image_format` RGB or BGR."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["file_version"] = np.bytes_("0.1.0")
        env = file.create_group("env")
        env.attrs.update({"n_cams": len(recording.videos), "cam_encoding": encoding})
        env["state"] = recording.states
        env["low_bound"] = recording.states.min(axis=0, keepdims=True)
        env["high_bound"] = recording.states.max(axis=0, keepdims=True)
        for camera, frames in recording.videos.items():
            recorded = frames[..., ::-1] if image_format == "BGR" else frames
            _write_camera(env.create_group(f"{camera}_video"), np.ascontiguousarray(recorded), encoding, image_format)
        file["policy/actions"] = recording.actions
        file.create_group("misc")
        file.create_group("metadata").attrs.update({"robot": recording.robot, "camera_configuration": "front+left"})
    return buffer.getvalue()


def _write_camera(group: h5py.Group, frames: Frames, encoding: str, image_format: str) -> None:
    attributes = {"shape": frames.shape[1:], "image_format": image_format}
    if encoding == "mp4":
        group["frames"] = np.frombuffer(encode_mp4(frames, FPS), dtype=np.uint8)
        group["frames"].attrs.update(attributes | {"T": len(frames)})
        return
    for number, frame in enumerate(frames):
        payload = simplejpeg.encode_jpeg(frame, quality=JPEG_QUALITY, colorspace="RGB")
        group[f"frame{number}"] = np.frombuffer(payload, dtype=np.uint8)
        group[f"frame{number}"].attrs.update(attributes)


def _film(camera: Camera, surroundings: Surroundings, episode: Episode) -> Frames:
    background = paint_background(camera, surroundings)
    frames = [
        np.asarray(
            Image.fromarray(paint_frame(camera, background, episode, frame, surroundings.arm)).reduce(OVERSAMPLING)
        )
        for frame in range(len(episode.tool))
    ]
    return np.stack(frames)


def _cameras(rng: np.random.Generator) -> dict[str, Camera]:
    """A front and a left view, each a little off its usual place."""
    places = {"cam0": (0.0, -1.05, 0.92), "cam1": (-1.05, -0.5, 0.88)}
    return {
        name: look_at(
            np.array(place) + rng.normal(0, 0.04, 3),
            np.array([0.0, 0.1, 0.04]) + rng.normal(0, 0.02, 3),
            rng.uniform(0.82, 0.9),
            HEIGHT * OVERSAMPLING,
            WIDTH * OVERSAMPLING,
        )
        for name, place in places.items()
    }


def _random_shapes(rng: np.random.Generator) -> tuple[Shape, ...]:
    colours = rng.permutation(len(COLOURS))[: rng.integers(3, 6)]
    return tuple(_random_shape(rng, COLOURS[number]) for number in colours)


def _random_shape(rng: np.random.Generator, colour: tuple[int, int, int]) -> Shape:
    radius = float(rng.uniform(0.06, 0.1))
    if rng.random() < 0.25:
        return Shape("ball", 0, radius * 0.85, radius * 1.7, colour)
    return Shape("prism", int(rng.choice(PRISM_SIDES)), radius, float(rng.uniform(0.06, 0.16)), colour)


def _robot(seed: int, number: int) -> str:
    return list(ARMS)[(seed + number) % len(ARMS)]


def _name(seed: int, number: int) -> str:
    return f"synthetic_arm_{_robot(seed, number)}_traj{number:04d}"
