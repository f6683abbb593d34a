"""LeRobot datasets in their published layouts, with frames that carry their own number."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bar_videos import write_bars

FPS = 10
CAMERAS = ("observation.images.top", "observation.images.wrist")
OFFSETS = {"observation.images.top": 0, "observation.images.wrist": 100}
"""Frame i of the dataset shows the number i + OFFSETS[camera]."""


def states_of(first: int, length: int) -> np.ndarray:
    numbers = np.arange(first, first + length, dtype=np.float32)
    return np.stack([numbers, -numbers, numbers / 4], axis=1)


def actions_of(first: int, length: int) -> np.ndarray:
    return states_of(first, length)[:, :2] + 0.5


def write_lerobot3(folder: Path, lengths: list[int], codec: str = "libx264", per_file: int = 3) -> None:
    """Version 3.0: `per_file` episodes follow each other in each Parquet and video file."""
    rows = []
    starts = np.cumsum([0, *lengths])
    for file, begin in enumerate(range(0, len(lengths), per_file)):
        episodes = range(begin, min(begin + per_file, len(lengths)))
        _write_data(folder / f"data/chunk-000/file-{file:03d}.parquet", starts, episodes)
        numbers = range(int(starts[begin]), int(starts[episodes[-1] + 1]))
        for camera, offset in OFFSETS.items():
            path = folder / f"videos/{camera}/chunk-000/file-{file:03d}.mp4"
            write_bars(path, range(numbers.start + offset, numbers.stop + offset), codec, FPS)
        rows += [_episode_row(index, file, starts, int(starts[begin])) for index in episodes]
    place = "chunk-{chunk_index:03d}/file-{file_index:03d}"
    _write_info(folder, "v3.0", f"data/{place}.parquet", f"videos/{{video_key}}/{place}.mp4")
    half = len(rows) // 2 + 1
    for file, part in enumerate(filter(None, (rows[:half], rows[half:]))):
        path = folder / f"meta/episodes/chunk-000/file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(part), path)


def write_lerobot2(folder: Path, lengths: list[int], codec: str = "libx264") -> None:
    """Version 2.1: each episode has a Parquet file and a video file a camera."""
    starts = np.cumsum([0, *lengths])
    lines = []
    for index, length in enumerate(lengths):
        _write_data(folder / f"data/chunk-000/episode_{index:06d}.parquet", starts, range(index, index + 1))
        for camera, offset in OFFSETS.items():
            first = int(starts[index]) + offset
            path = folder / f"videos/chunk-000/{camera}/episode_{index:06d}.mp4"
            write_bars(path, range(first, first + length), codec, FPS)
        lines.append(json.dumps({"episode_index": index, "tasks": ["push"], "length": length}))
    _write_info(
        folder,
        "v2.1",
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    )
    (folder / "meta" / "episodes.jsonl").write_text("\n".join(lines) + "\n")


def _write_data(path: Path, starts: np.ndarray, episodes: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = []
    for index in episodes:
        first, length = int(starts[index]), int(starts[index + 1] - starts[index])
        columns = {
            "observation.state": pa.array(states_of(first, length).tolist(), pa.list_(pa.float32(), 3)),
            "action": pa.array(actions_of(first, length).tolist(), pa.list_(pa.float32())),
            "timestamp": pa.array(np.arange(length, dtype=np.float32) / FPS),
            "frame_index": pa.array(range(length), pa.int64()),
            "episode_index": pa.array([index] * length, pa.int64()),
            "index": pa.array(range(first, first + length), pa.int64()),
        }
        tables.append(pa.table(columns))
    pq.write_table(pa.concat_tables(tables), path)


def _episode_row(index: int, file: int, starts: np.ndarray, file_start: int) -> dict[str, object]:
    begin, end = int(starts[index]), int(starts[index + 1])
    row = {
        "episode_index": index,
        "tasks": ["push"],
        "length": end - begin,
        "data/chunk_index": 0,
        "data/file_index": file,
        "dataset_from_index": begin,
        "dataset_to_index": end,
        "stats/action/mean": [0.0, 0.0],
    }
    for camera in CAMERAS:
        times = {"from_timestamp": (begin - file_start) / FPS, "to_timestamp": (end - file_start) / FPS}
        row |= {f"videos/{camera}/chunk_index": 0, f"videos/{camera}/file_index": file}
        row |= {f"videos/{camera}/{name}": value for name, value in times.items()}
    return row


def _write_info(folder: Path, version: str, data_path: str, video_path: str) -> None:
    video = {"dtype": "video", "shape": [48, 64, 3], "names": ["height", "width", "channels"]}
    features = {camera: video | {"info": {"video.fps": FPS, "video.is_depth_map": False}} for camera in CAMERAS}
    features["observation.images.depth"] = video | {"info": {"video.is_depth_map": True}}
    features["observation.state"] = {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]}
    features["action"] = {"dtype": "float32", "shape": [2], "names": ["x", "y"]}
    info = {
        "codebase_version": version,
        "robot_type": "so100",
        "fps": FPS,
        "chunks_size": 1000,
        "data_path": data_path,
        "video_path": video_path,
        "features": features,
    }
    (folder / "meta").mkdir(parents=True, exist_ok=True)
    (folder / "meta" / "info.json").write_text(json.dumps(info, indent=4))
