"""What a worker does with a trajectory: whatever is wrong with it, the answer is a reason."""

from dataclasses import dataclass

import numpy as np
import pytest

from vqtool.data.skipped import Skipped
from vqtool.data.sources.base import Resize, Trajectory
from vqtool.data.sources.synthetic import SyntheticSource
from vqtool.preprocessing.statistics import channel_sums
from vqtool.preprocessing.work import Processed, Task, process


@dataclass(frozen=True)
class Failing:
    """A source whose decoder fails in its own way."""

    error: Exception

    def trajectories(self) -> dict[str, str]:
        return {"a": "a.hdf5"}

    def read(self, name: str, resize: Resize, min_frames: int) -> Trajectory:
        raise self.error


@pytest.mark.parametrize(
    "error", [MemoryError("huge"), AttributeError("gone"), OverflowError("far"), IndexError("off")]
)
def test_whatever_a_decoder_raises_becomes_a_reason(error: Exception) -> None:
    outcome = process(Task(Failing(error), "a", "a.hdf5", 16, 1, 99))
    assert outcome == Skipped("a", "a.hdf5", "damaged", f"{type(error).__name__}: {error}")


def test_what_no_shard_can_hold_is_too_long() -> None:
    source = SyntheticSource(1, seed=0)
    name, origin = next(iter(source.trajectories().items()))
    whole = process(Task(source, name, origin, 16, 1, 99))
    assert isinstance(whole, Processed)
    length = len(whole.trajectory.states)
    outcome = process(Task(source, name, origin, 16, 1, length - 1))
    assert outcome == Skipped(name, origin, "too long", f"{length} frames; a shard holds {length - 1}")


def test_frames_come_in_the_wanted_size_with_the_sums_of_all_cameras() -> None:
    source = SyntheticSource(1, seed=0)
    name, origin = next(iter(source.trajectories().items()))
    outcome = process(Task(source, name, origin, 24, 1, 99))
    assert isinstance(outcome, Processed)
    videos = list(outcome.trajectory.videos.values())
    assert {frames.shape[1:] for frames in videos} == {(24, 24, 3)}
    assert outcome.sums == channel_sums(np.concatenate(videos))
