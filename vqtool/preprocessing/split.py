"""Which trajectory goes to which split."""

import hashlib
from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from vqtool.data.store import Split

SPLIT_RULE = (
    "usable trajectories in the order of SHA-256 of 'seed:name': the first val ones are val, "
    "the next test ones are test, the rest are train"
)
TEST_LIST_RULE = (
    "the trajectories of the test list are test; the other usable ones in the order of SHA-256 of 'seed:name': "
    "the first val ones are val, the rest are train"
)


def ranked(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that looks random and depends on the seed and each name only."""
    return sorted(names, key=lambda name: (hashlib.sha256(f"{seed}:{name}".encode()).digest(), name))


@dataclass
class SplitAssigner:
    """Deals out splits to usable trajectories in ranked order, so that val and test have exactly the wanted size.

    Where `test_names` are given, these are the test split, and `test` is not used.
    """

    val: int
    test: int
    test_names: Set[str] | None = None
    num_assigned: int = field(default=0, init=False)

    def next(self, name: str) -> Split:
        """The split of the next usable trajectory, with all its cameras."""
        if self.test_names is not None and name in self.test_names:
            return "test"
        position = self.num_assigned
        self.num_assigned += 1
        if position < self.val:
            return "val"
        return "test" if self.test_names is None and position < self.val + self.test else "train"
