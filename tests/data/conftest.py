from pathlib import Path

import pytest
from numbered import ORIGIN, SIZE, numbered_video

from vqtool.data.store import FrameStore
from vqtool.data.store_writer import StoreWriter


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
