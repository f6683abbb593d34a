"""A small frame store of coarse, slowly changing pictures."""

from pathlib import Path

import numpy as np

from vqtool.data.store import FrameStore
from vqtool.data.store_writer import SHARD_BYTES, Origin, StoreWriter, Video

SIZE = 32
LENGTHS = {"a/cam0": 9, "a/cam1": 9, "b/cam0": 14, "c/cam0": 6, "d/cam0": 9, "e/cam0": 3}
SPLITS = {"a": "train", "b": "train", "c": "val", "d": "train", "e": "test"}
ORIGIN = Origin("robonet", 1, 7, "as given", (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), ())


def smooth_frames(num_frames: int, seed: int) -> np.ndarray:
    """Random coarse pictures that change slowly, uint8 (T, 32, 32, 3)."""
    rng = np.random.default_rng(seed)
    coarse = 128 + np.cumsum(rng.normal(0, 25, (num_frames, 4, 4, 3)), axis=0)
    return coarse.clip(0, 255).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)


def write_store(path: Path, shard_bytes: int = SHARD_BYTES) -> FrameStore:
    """Six clips of five trajectories with states of 3 and actions of 2 columns."""
    with StoreWriter(path, SIZE, shard_bytes=shard_bytes) as writer:
        for seed, (name, length) in enumerate(LENGTHS.items()):
            trajectory, camera = name.split("/")
            states = np.arange(length * 3, dtype=np.float32).reshape(length, 3) + seed
            actions = np.full((length, 2), np.nan, dtype=np.float32)
            source = f"{trajectory}.hdf5"
            video = Video(trajectory, camera, "sawyer", source, smooth_frames(length, seed), states, actions)
            writer.add(video, SPLITS[trajectory])
        writer.finish(ORIGIN)
    return FrameStore.open(path)
