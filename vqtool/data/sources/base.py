"""What every source of raw videos offers to preprocessing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from vqtool.data import Frames
from vqtool.data.shards import Rows

Resize: TypeAlias = Callable[[Frames], Frames]
"""Maps frames (T, H, W, 3) of any size to the size of the store."""

Unfit = Literal["too short", "too long", "damaged", "foreign", "unknown encoding", "inconsistent"]


class UnusableError(Exception):
    """A trajectory that cannot be stored: a class of reasons, and the reason in words."""

    def __init__(self, kind: Unfit, reason: str) -> None:
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True)
class Trajectory:
    """What the cameras of one robot saw at the same time, already resized.

    `videos` maps camera names to frames (T, size, size, 3), `states` (T, S) and `actions` (T, A) are aligned with the
    frames: action t leads from frame t to frame t + 1, so the last row of `actions` is NaN where none was recorded.
    """

    robot: str
    videos: dict[str, Frames]
    states: Rows
    actions: Rows


class Source(Protocol):
    """Raw videos of one kind; cheap to pickle, since a copy goes to a worker process with every trajectory."""

    def trajectories(self) -> dict[str, str]:
        """The names of all trajectories, each with where it comes from (a file, relative to the input folder).

        Names are unique and do not depend on the order of a directory.

        Raises:
            DataError: there are none.
        """

    def read(self, name: str, resize: Resize, min_frames: int) -> Trajectory:
        """Read one trajectory; every block of decoded frames goes through `resize` at once.

        Raises:
            UnusableError: damaged, foreign, of an unknown encoding, or shorter than `min_frames`.
        """
