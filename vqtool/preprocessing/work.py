"""What a worker process does: read, decode, resize and sum up one trajectory."""

import logging
from dataclasses import dataclass
from functools import partial

from vqtool.data.resize import Fit, resize_square
from vqtool.data.skipped import Skipped
from vqtool.data.sources.base import Source, Trajectory, UnusableError
from vqtool.preprocessing.pool import Death
from vqtool.preprocessing.statistics import ChannelSums, channel_sums

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One trajectory to process: its name and origin in `source`, the size of a stored frame, length limits, fit."""

    source: Source
    name: str
    origin: str
    size: int
    min_frames: int
    max_frames: int
    fit: Fit = "squash"


@dataclass(frozen=True)
class Processed:
    """A trajectory ready to be stored."""

    name: str
    origin: str
    trajectory: Trajectory
    sums: ChannelSums


def process(task: Task) -> Processed | Skipped:
    """Read and resize one trajectory; whatever is wrong with its data becomes a `Skipped`, never an exception."""
    try:
        trajectory = task.source.read(task.name, partial(resize_square, size=task.size, fit=task.fit), task.min_frames)
    except UnusableError as error:
        return Skipped(task.name, task.origin, error.kind, error.reason)
    except Exception as error:
        # A damaged file can make a decoder raise anything; one file must not stop the other thousands.
        logger.debug("cannot read %s", task.origin, exc_info=True)
        return Skipped(task.name, task.origin, "damaged", f"{type(error).__name__}: {error}")
    length = len(trajectory.states)
    if length > task.max_frames:
        return Skipped(task.name, task.origin, "too long", f"{length} frames; a shard holds {task.max_frames}")
    sums = sum((channel_sums(frames) for frames in trajectory.videos.values()), start=ChannelSums())
    return Processed(task.name, task.origin, trajectory, sums)


def give_up(seconds: float, task: Task, death: Death) -> Skipped:
    """What becomes of a trajectory whose reading killed the process that did it, or took longer than `seconds`."""
    reason = f"not read within {seconds:g} s" if death == "timed out" else "the process that decoded it died"
    return Skipped(task.name, task.origin, death, reason)
