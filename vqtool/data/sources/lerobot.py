"""LeRobot datasets (versions 2.0, 2.1, 3.0): episodes are cut out of Parquet and video files that may hold several."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from vqtool.data import Frames
from vqtool.data.shards import Rows
from vqtool.data.sources.base import Resize, Trajectory, UnusableError
from vqtool.data.sources.lerobot_meta import Episode, Segment, import_parquet, read_meta
from vqtool.data.sources.names import escape
from vqtool.data.timed_frames import TimedFrame, timed_frames
from vqtool.data.video import open_container, resized_blocks
from vqtool.errors import DataError

STATE, ACTION = "observation.state", "action"
PREFIX = "episode_"


@dataclass(frozen=True)
class LerobotSource:
    """The episodes of the dataset in a folder; every video feature that is no depth map is a camera."""

    folder: Path

    def trajectories(self) -> dict[str, str]:
        """Names and Parquet files, relative to the folder; see `Source.trajectories`."""
        import_parquet()
        episodes = read_meta(self.folder).episodes
        return {f"{PREFIX}{index:06d}": escape(episodes[index].data_file) for index in sorted(episodes)}

    def read(self, name: str, resize: Resize, min_frames: int) -> Trajectory:
        """Cut out one episode; see `Source.read`."""
        dataset = read_meta(self.folder)
        episode = dataset.episodes[int(name.removeprefix(PREFIX))]
        if episode.length < max(min_frames, 1):
            raise UnusableError("too short", f"{episode.length} usable frames, fewer than {min_frames}")
        states, actions = self._read_rows(episode)
        videos = {
            escape(camera).replace("/", "%2F"): self._read_segment(segment, episode.length, dataset.fps, resize)
            for camera, segment in episode.videos.items()
        }
        return Trajectory(dataset.robot, videos, states, actions)

    def _read_rows(self, episode: Episode) -> tuple[Rows, Rows]:
        """States and actions, a row a frame; without columns where the dataset has none."""
        parquet = import_parquet()
        try:
            file = parquet.ParquetFile(self.folder / episode.data_file)
            known = [column for column in (STATE, ACTION) if column in file.schema_arrow.names]
            table = parquet.read_table(
                self.folder / episode.data_file,
                columns=["frame_index", *known],
                filters=[("episode_index", "==", episode.index)],
                partitioning=None,
            )
            rows = table.sort_by("frame_index").to_pydict()
        except (OSError, ValueError, KeyError) as error:
            raise UnusableError("damaged", f"{episode.data_file}: {error}") from error
        if rows["frame_index"] != list(range(episode.length)):
            found = len(rows["frame_index"])
            raise UnusableError("inconsistent", f"{episode.data_file} has {found} rows for {episode.length} frames")
        return _matrix(rows, STATE, episode.length), _matrix(rows, ACTION, episode.length)

    def _read_segment(self, segment: Segment, length: int, fps: Fraction, resize: Resize) -> Frames:
        """Exactly the frames of an episode, resized."""
        problem = ""
        # Where the key frame before is not found, or what follows it is not whole, the file is read from its start.
        for start_seconds in (segment.start_seconds, None):
            try:
                with (self.folder / segment.file).open("rb") as stream, open_container(stream) as (file, track):
                    timed = timed_frames(file, track, start_seconds)
                    blocks = _blocks(_cut(timed, segment.start_seconds, fps, length), resize)
                found = sum(map(len, blocks))
                if found == length:
                    return np.concatenate(blocks)
                problem = f"{found} of {length} frames of the episode can be decoded"
            except OSError as error:
                problem = error.strerror or str(error)
            except DataError as error:
                problem = str(error)
        raise UnusableError("damaged", f"{segment.file}: {problem}")


def _blocks(frames: Iterator[Frames], resize: Resize) -> list[Frames]:
    first = next(frames, None)
    return [] if first is None else list(resized_blocks(chain([first], frames), resize))


def _cut(frames: Iterator[TimedFrame], start_seconds: Fraction, fps: Fraction, length: int) -> Iterator[Frames]:
    """Frames 0, 1, ... of the episode, `length` at most, until one is missing: k = round((time - start) * fps)."""
    wanted = 0
    for frame in frames:
        number = round((frame.seconds - start_seconds) * fps)
        if number > wanted:
            return
        if number == wanted:
            yield frame.load()
            wanted += 1
        if wanted == length:
            return


def _matrix(rows: dict[str, list[Any]], column: str, length: int) -> Rows:
    """(length, D) of a column of lists, or of numbers where D is 1."""
    if column not in rows:
        return np.empty((length, 0), dtype=np.float32)
    try:
        return np.asarray(rows[column], dtype=np.float32).reshape(length, -1)
    except (ValueError, TypeError) as error:
        raise UnusableError("inconsistent", f"{column} is no table of numbers: {error}") from error
