"""Which trajectory goes to which split."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from vqtool.data.store import Split

SPLIT_RULE = (
    "usable trajectories in the order of SHA-256 of 'seed:name': the first val ones are val, "
    "the next test ones are test, the rest are train"
)


def ranked(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that looks random and depends on the seed and each name only."""
    return sorted(names, key=lambda name: (hashlib.sha256(f"{seed}:{name}".encode()).digest(), name))


@dataclass
class SplitAssigner:
    """Deals out splits to usable trajectories in ranked order, so that val and test have exactly the wanted size."""

    val: int
    test: int
    num_assigned: int = 0

    def next(self) -> Split:
        """The split of the next usable trajectory, with all its cameras."""
        position = self.num_assigned
        self.num_assigned += 1
        if position < self.val:
            return "val"
        return "test" if position < self.val + self.test else "train"
