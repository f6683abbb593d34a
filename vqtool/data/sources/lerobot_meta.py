"""The `meta/` folder of a LeRobot dataset, versions 2.0, 2.1 and 3.0: its cameras, and where each episode lies."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from vqtool.errors import DataError

INFO_FILE = "meta/info.json"
Table: TypeAlias = dict[str, Any]
_PLACE = re.compile(r"\{(\w+)(?::0?(\d+)d?)?\}")


@dataclass(frozen=True)
class Segment:
    """The part of a video file that is an episode: `start_seconds` on."""

    file: str
    start_seconds: Fraction


@dataclass(frozen=True)
class Episode:
    """An episode of `length` frames: its rows in a Parquet file and its segment for each camera."""

    index: int
    length: int
    data_file: str
    videos: dict[str, Segment]


@dataclass(frozen=True)
class Dataset:
    """What `meta/` says; files are relative to the dataset's folder."""

    fps: Fraction
    robot: str
    episodes: dict[int, Episode]


def read_meta(folder: Path) -> Dataset:
    """The metadata of the dataset in `folder`; read once a process.

    Raises:
        DataError: missing, damaged, of another version, or without videos.
    """
    try:
        return _read_meta(folder, (folder / INFO_FILE).stat().st_mtime_ns)
    except FileNotFoundError as error:
        raise DataError(
            f"no LeRobot dataset in {folder}: {error.filename or error} is missing; give the folder that holds "
            f"{INFO_FILE} with --input"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"the metadata of the LeRobot dataset {folder} is damaged: {detail}") from error


def import_parquet() -> Any:
    """The module pyarrow.parquet.

    Raises:
        DataError: not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError("LeRobot datasets need pyarrow: pip install 'vqtool[lerobot]'") from error
    return pyarrow.parquet


@lru_cache(maxsize=4)
def _read_meta(folder: Path, _changed_ns: int) -> Dataset:
    info: Table = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
    version = str(info["codebase_version"])
    cameras = sorted(key for key, feature in info["features"].items() if _is_camera(feature))
    if not cameras:
        raise DataError(f"{folder} has no video to learn from: {INFO_FILE} lists no feature of dtype video")
    match version.split(".")[0]:
        case "v3":
            episodes = {row["episode_index"]: _episode3(info, cameras, row) for row in _rows3(folder, cameras)}
        case "v2":
            episodes = {row["episode_index"]: _episode2(info, cameras, row) for row in _rows2(folder)}
        case _:
            raise DataError(
                f"{folder} is a LeRobot dataset of version {version}; this vqtool reads v2.0, v2.1 and v3.0: "
                "convert it with LeRobot's own tools"
            )
    if not episodes:
        raise DataError(f"the LeRobot dataset {folder} has no episode")
    return Dataset(_positive(info["fps"]), str(info.get("robot_type") or "unknown")[:200], episodes)


def _is_camera(feature: Table) -> bool:
    details = feature.get("info") or feature.get("video_info") or {}
    return feature["dtype"] == "video" and not details.get("video.is_depth_map", False)


def _positive(fps: float) -> Fraction:
    if not fps > 0:
        raise ValueError(f"fps is {fps}")
    return Fraction(str(fps))


def _rows3(folder: Path, cameras: list[str]) -> Iterator[Table]:
    """The rows of `meta/episodes/`; the statistics beside them are left unread."""
    names = ["chunk_index", "file_index", "from_timestamp"]
    wanted = ["episode_index", "length", "data/chunk_index", "data/file_index"]
    wanted += [f"videos/{camera}/{name}" for camera in cameras for name in names]
    for file in sorted((folder / "meta" / "episodes").rglob("*.parquet")):
        yield from import_parquet().read_table(file, columns=wanted, partitioning=None).to_pylist()


def _rows2(folder: Path) -> Iterator[Table]:
    with (folder / "meta" / "episodes.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _episode3(info: Table, cameras: list[str], row: Table) -> Episode:
    def place(prefix: str) -> dict[str, int]:
        return {name: int(row[f"{prefix}/{name}"]) for name in ("chunk_index", "file_index")}

    videos = {
        camera: Segment(
            _fill(info["video_path"], video_key=camera, **place(f"videos/{camera}")),
            Fraction(row[f"videos/{camera}/from_timestamp"]),
        )
        for camera in cameras
    }
    return Episode(int(row["episode_index"]), int(row["length"]), _fill(info["data_path"], **place("data")), videos)


def _episode2(info: Table, cameras: list[str], row: Table) -> Episode:
    index = int(row["episode_index"])
    place = {"episode_index": index, "episode_chunk": index // int(info["chunks_size"])}
    videos = {camera: Segment(_fill(info["video_path"], video_key=camera, **place), Fraction(0)) for camera in cameras}
    return Episode(index, int(row["length"]), _fill(info["data_path"], **place), videos)


def _fill(template: str, **values: int | str) -> str:
    """The file that a template such as `data/chunk-{chunk_index:03d}/...` names; never one outside the dataset."""
    file = _PLACE.sub(lambda match: str(values[match[1]]).zfill(int(match[2] or 0)), template)
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{file!r} lies outside of the dataset")
    return file
