"""The best score so far of each metric, and which checkpoint has it."""

from collections.abc import Mapping
from typing import Any

from vqtool.core.metrics import METRICS

LOSS = "loss"
HIGHER_IS_BETTER: dict[str, bool] = {**{name: metric.higher_is_better for name, metric in METRICS.items()}, LOSS: False}


class BestScores:
    """Best value and step by name: every metric, and `loss` for the total loss on the first evaluated split."""

    def __init__(self) -> None:
        self._best: dict[str, tuple[float, int]] = {}

    def update(self, numbers: Mapping[str, float], step: int) -> list[str]:
        """Take in an evaluation (names as in metrics.jsonl); gives the names that improved. Ties and NaN do not."""
        improved = []
        for name in HIGHER_IS_BETTER:
            value = numbers.get("loss/total" if name == LOSS else f"metric/{name}")
            if value is not None and self._is_better(name, value):
                self._best[name] = (value, step)
                improved.append(name)
        return improved

    def _is_better(self, name: str, value: float) -> bool:
        if value != value:
            return False
        if name not in self._best:
            return True
        best = self._best[name][0]
        return value > best if HIGHER_IS_BETTER[name] else value < best

    @property
    def steps(self) -> dict[str, int]:
        """The step of the best score by name."""
        return {name: step for name, (_, step) in self._best.items()}

    def state(self) -> dict[str, list[Any]]:
        """What a resume needs."""
        return {name: list(entry) for name, entry in self._best.items()}

    def restore(self, state: Mapping[str, list[Any]]) -> None:
        """Go on from `state`."""
        self._best = {name: (float(value), int(step)) for name, (value, step) in state.items()}
