from pathlib import Path

import numpy as np
import pytest

from vqtool.data.store import FrameStore
from vqtool.data.store_writer import Origin, StoreWriter, Video

FILES = Path(__file__).resolve().parents[1] / "files"
SIZE = 8
ORIGIN = Origin("robonet", 1, 7, "as given", (0.5, 0.25, 0.125), (0.1, 0.2, 0.3), ())


def numbered_video(trajectory: str, camera: str, length: int, first: int, state_dim: int = 3) -> Video:
    """A video whose every frame is filled with its own number (mod 256) in R and (div 256) in G."""
    numbers = np.arange(first, first + length)
    frames = np.zeros((length, SIZE, SIZE, 3), dtype=np.uint8)
    frames[..., 0] = (numbers % 256)[:, None, None]
    frames[..., 1] = (numbers // 256)[:, None, None]
    states = np.repeat(numbers[:, None], state_dim, axis=1).astype(np.float32)
    actions = np.full((length, 2), np.nan, dtype=np.float32)
    actions[:-1] = 1.5
    return Video(trajectory, camera, "sawyer", f"{trajectory}.hdf5", frames, states, actions)


def frame_numbers(frames: np.ndarray) -> np.ndarray:
    """The numbers that `numbered_video` gave the frames (..., H, W, 3)."""
    return frames[..., 0, 0, 0].astype(int) + 256 * frames[..., 0, 0, 1].astype(int)


@pytest.fixture
def numbered_store(tmp_path: Path) -> FrameStore:
    """Videos of 14, 9, 40, 3, 20, 11 frames in shards of at most 50 frames, frames numbered through."""
    lengths = {"a/cam0": 14, "a/cam1": 9, "b/cam0": 40, "c/cam0": 3, "d/cam0": 20, "e/cam0": 11}
    splits = {"a": "train", "b": "train", "c": "val", "d": "train", "e": "val"}
    first = 0
    with StoreWriter(tmp_path / "store", SIZE, shard_bytes=128 + 50 * SIZE * SIZE * 3) as writer:
        for name, length in lengths.items():
            trajectory, camera = name.split("/")
            writer.add(numbered_video(trajectory, camera, length, first), splits[trajectory])
            first += length
        writer.finish(ORIGIN)
    return FrameStore.open(tmp_path / "store")
