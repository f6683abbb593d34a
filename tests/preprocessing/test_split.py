"""The split: exact sizes, and the same whatever the order of names."""

import hashlib
from collections import Counter

from vqtool.preprocessing.split import SplitAssigner, ranked

NAMES = [f"lab_robot_traj{number}" for number in range(200)]


def test_the_order_is_that_of_sha256_of_seed_and_name() -> None:
    digests = {name: hashlib.sha256(f"23:{name}".encode()).hexdigest() for name in NAMES}
    assert ranked(NAMES, 23) == sorted(NAMES, key=digests.__getitem__)
    assert ranked(reversed(NAMES), 23) == ranked(NAMES, 23) != ranked(NAMES, 24)


def test_val_and_test_have_exactly_the_wanted_size() -> None:
    splits = SplitAssigner(val=12, test=7)
    assert Counter(splits.next(name) for name in NAMES) == {"val": 12, "test": 7, "train": 181}


def test_new_trajectories_move_few_old_ones() -> None:
    def assign(names: list[str]) -> dict[str, str]:
        splits = SplitAssigner(20, 20)
        return {name: splits.next(name) for name in ranked(names, 1)}

    before, after = assign(NAMES), assign([*NAMES, "new_1", "new_2"])
    assert sum(before[name] != after[name] for name in NAMES) <= 4
