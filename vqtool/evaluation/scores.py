"""Scores with their uncertainty: means over clips, by group of clips, and differences between checkpoints."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vqtool.core.metrics import METRICS
from vqtool.evaluation.bootstrap import mean_intervals
from vqtool.evaluation.evaluate import Evaluation

HIGHER_IS_BETTER: dict[str, bool] = {name: metric.higher_is_better for name, metric in METRICS.items()}
Verdict = Literal["better", "worse", "unclear"]
Rows = Mapping[str, Evaluation]
"""Evaluations on the same clips by the name of what was evaluated."""


@dataclass(frozen=True)
class Score:
    """A score and the ends of its 95 % interval; they are NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two ends; None where there is no interval."""
        return (self.low, self.high) if math.isfinite(self.low) and math.isfinite(self.high) else None


Table = dict[str, dict[str, Score]]
"""Scores by row and metric."""


@dataclass(frozen=True)
class Group:
    """The scores of some of the clips."""

    num_clips: int
    num_trajectories: int
    scores: Table


@dataclass(frozen=True)
class Difference:
    """A metric of row `other` minus that of row `base`, with the paired interval."""

    metric: str
    base: str
    other: str
    score: Score

    @property
    def verdict(self) -> Verdict:
        """Whether `other` is better or worse than `base`; unclear where the interval holds 0 or is not known."""
        interval = self.score.interval
        if interval is None or interval[0] <= 0 <= interval[1]:
            return "unclear"
        return "better" if (interval[0] > 0) == HIGHER_IS_BETTER[self.metric] else "worse"


def score_table(rows: Rows, trajectories: Sequence[str]) -> Table:
    """Every score of every row with its interval: the bootstrap's, or that which a metric of whole sets gives itself.

    `trajectories` names that of each clip.
    """
    table = clip_table(rows, trajectories)
    for name, row in rows.items():
        table[name] = {metric: table[name].get(metric, _set_score(row, metric)) for metric in row.scores}
    return table


def clip_table(rows: Rows, trajectories: Sequence[str], chosen: NDArray[np.intp] | None = None) -> Table:
    """Mean and interval of the metrics that score single clips, over all clips or over those numbered `chosen`."""
    keys = [(name, metric) for name, row in rows.items() for metric in row.clip_scores]
    table: Table = {name: {} for name in rows}
    if not keys:
        return table
    values_NM = np.array([rows[name].clip_scores[metric] for name, metric in keys], dtype=np.float64).T
    if chosen is not None:
        values_NM, trajectories = values_NM[chosen], [trajectories[index] for index in chosen.tolist()]
    lows, highs = mean_intervals(values_NM, trajectories)
    for number, (name, metric) in enumerate(keys):
        value = rows[name].scores[metric] if chosen is None else float(values_NM[:, number].mean())
        table[name][metric] = Score(value, float(lows[number]), float(highs[number]))
    return table


def grouped(rows: Rows, trajectories: Sequence[str], labels: Sequence[str]) -> dict[str, Group]:
    """The clips by their label (robot, camera), sorted, each group with its own means and intervals."""
    groups = {}
    for label in sorted(set(labels)):
        chosen = np.flatnonzero(np.asarray(labels, dtype=str) == label)
        num_trajectories = len({trajectories[index] for index in chosen.tolist()})
        groups[label] = Group(len(chosen), num_trajectories, clip_table(rows, trajectories, chosen))
    return groups


def differences(base: str, other: str, rows: Rows, trajectories: Sequence[str]) -> list[Difference]:
    """Row `other` minus row `base` in every metric of both, both means over the same draws of trajectories.

    A metric of whole sets has no score a clip to pair, so its difference comes without an interval.
    """
    metrics = [metric for metric in rows[other].scores if metric in rows[base].scores]
    paired = [metric for metric in metrics if metric in rows[other].clip_scores]
    intervals = {}
    if paired:
        pairs = [(rows[other].clip_scores[metric], rows[base].clip_scores[metric]) for metric in paired]
        ends = mean_intervals(np.array([np.subtract(*pair) for pair in pairs], dtype=np.float64).T, trajectories)
        intervals = {metric: (float(low), float(high)) for metric, low, high in zip(paired, *ends, strict=True)}
    return [
        Difference(
            metric,
            base,
            other,
            Score(rows[other].scores[metric] - rows[base].scores[metric], *intervals.get(metric, ())),
        )
        for metric in metrics
    ]


def _set_score(row: Evaluation, metric: str) -> Score:
    details = row.details.get(metric, {})
    return Score(row.scores[metric], details.get("low", math.nan), details.get("high", math.nan))
