"""How the codes were used at one evaluation after the other: ages of dead codes, revivals, a map over steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer]
Levels = NDArray[np.uint8]
MAX_EVALUATIONS = 256
"""Of a longer run so many are looked at, spread evenly, the last one included."""
_OCTAVES = 7
EVEN_LEVEL = 128


def usage_levels(counts: Counts) -> Levels:
    """Counts (K,) as levels: 0 is unused, `EVEN_LEVEL` is 1/K of all tokens, 18 levels more are twice that."""
    total = float(counts.sum())
    if not total:
        return np.zeros(len(counts), np.uint8)
    with np.errstate(divide="ignore"):
        octaves = np.log2(counts * (len(counts) / total))
    levels = EVEN_LEVEL + np.clip(octaves, -_OCTAVES, _OCTAVES) * (EVEN_LEVEL - 2) / _OCTAVES
    return np.where(counts > 0, np.rint(levels), 0).astype(np.uint8)


def chosen_steps(steps: Sequence[int]) -> list[int]:
    """The evaluations to look at."""
    if len(steps) <= MAX_EVALUATIONS:
        return list(steps)
    return [steps[index] for index in np.linspace(0, len(steps) - 1, MAX_EVALUATIONS).round().astype(int)]


@dataclass(frozen=True, eq=False)
class UsageHistory:
    """Levels (E, K) of the evaluations at `steps`, ascending."""

    steps: tuple[int, ...]
    levels: Levels

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """Which codes each evaluation used (E, K)."""
        return self.levels > 0

    @cached_property
    def revived(self) -> NDArray[np.int64]:
        """Codes that each evaluation used and the one before did not (E,); of the first none."""
        came_back = self.used[1:] & ~self.used[:-1]
        return np.concatenate([[0], came_back.sum(axis=1)]) if len(self.steps) else np.zeros(0, np.int64)

    def dead_since(self) -> dict[int | None, int]:
        """Of the codes that the last evaluation did not use: how many were last used at which step, longest dead first.

        None stands for never.
        """
        if not len(self.steps):
            return {}
        last_used = len(self.steps) - 1 - np.argmax(self.used[::-1], axis=0)
        last_used[~self.used.any(axis=0)] = -1
        places, numbers = np.unique(last_used[~self.used[-1]], return_counts=True)
        found = {
            None if place < 0 else self.steps[place]: int(number) for place, number in zip(places, numbers, strict=True)
        }
        return dict(sorted(found.items(), key=lambda item: -1 if item[0] is None else item[0]))

    def part(self, start: int, end: int) -> "UsageHistory":
        """The history of the codes from `start` to before `end`."""
        return UsageHistory(self.steps, self.levels[:, start:end])

    def image(self, rows: int, columns: int, ranked: bool) -> NDArray[np.float64]:
        """Mean level of neighbouring codes at each evaluation, (rows, columns): codes downwards, steps to the right.

        With `ranked` the codes of each evaluation are ordered from the most to the least used.
        """
        levels = -np.sort(-self.levels.astype(np.int16), axis=1) if ranked else self.levels
        return _bin(_bin(levels.T.astype(np.float64), rows).T, columns).T


def history_of(usage: Mapping[int, Levels]) -> UsageHistory:
    """The history of levels by step; evaluations of another number of codes than the last one are left out."""
    if not usage:
        return UsageHistory((), np.zeros((0, 0), np.uint8))
    num_codes = len(usage[max(usage)])
    steps = tuple(step for step in sorted(usage) if len(usage[step]) == num_codes)
    return UsageHistory(steps, np.stack([usage[step] for step in steps]))


def _bin(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Values (N, M) as (size, M): means of neighbours where N is larger, repeated where it is smaller."""
    starts = np.arange(size) * len(values) // size
    if size >= len(values):
        return values[starts]
    return np.add.reduceat(values, starts, axis=0) / np.diff(starts, append=len(values))[:, None]
