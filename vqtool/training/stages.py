"""Which stage of training comes when."""

import itertools
from collections.abc import Sequence

from vqtool.core.tokenizers import Stage


class StagePlan:
    """The stages of a tokenizer one after the other, each for its share of the run."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        ends = list(itertools.accumulate(stage.share for stage in stages))
        self._ends = [end / ends[-1] for end in ends]

    def due(self, share_done: float) -> int:
        """The number of the stage that belongs to a run of which `share_done` in [0, 1] is over."""
        return next((number for number, end in enumerate(self._ends) if share_done < end), len(self._ends) - 1)

    def progress(self, number: int, share_done: float) -> float:
        """How much of stage `number` is over, in [0, 1]."""
        start = self._ends[number - 1] if number else 0.0
        return min(1.0, max(0.0, (share_done - start) / (self._ends[number] - start)))

    def share(self, number: int) -> float:
        """What part of the run stage `number` is."""
        return self._ends[number] - (self._ends[number - 1] if number else 0.0)
