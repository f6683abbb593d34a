"""The order of training batches: seeded, endless, resumable in the middle of an epoch, and shared between processes."""

import numpy as np
from numpy.typing import NDArray

from vqtool.errors import DataError

Indices = NDArray[np.int64]


class BatchSampler:
    """Batches of exactly `batch_size` of the indices 0 .. `num_items` - 1, without end.

    An epoch is a permutation drawn from (seed, epoch); epochs follow one another without a gap, so a batch may hold the
    end of one and the start of the next (or several, where there are fewer items than a batch has), and every item
    comes exactly once an epoch.

    With `num_ranks` processes, `batch_size` is that of all of them together and each sampler gives its rank's slice of
    the same batch: the slices of all ranks, in the order of the ranks, are the batch that one process would get. Slices
    are equally long and disjoint within an epoch, and the state is the same on every rank, so a run may go on with
    another number of ranks.

    Raises:
        ValueError: no items, a rank that is not there, or a batch that the ranks cannot share equally.
    """

    def __init__(self, num_items: int, batch_size: int, seed: int, rank: int = 0, num_ranks: int = 1) -> None:
        if num_items < 1 or batch_size < 1:
            raise ValueError(f"num_items {num_items} and batch_size {batch_size} must be at least 1")
        if not 0 <= rank < num_ranks:
            raise ValueError(f"rank {rank} is none of the {num_ranks} ranks")
        if batch_size % num_ranks:
            raise ValueError(f"a batch of {batch_size} cannot be shared equally by {num_ranks} ranks")
        self.num_items = num_items
        self.batch_size = batch_size
        self.seed = seed
        share = batch_size // num_ranks
        self._mine = slice(rank * share, (rank + 1) * share)
        self._drawn = 0
        self._order_epoch = -1
        self._order: Indices = np.empty(0, dtype=np.int64)

    @property
    def epoch(self) -> int:
        """Whole passes over the items drawn so far by all ranks together."""
        return self._drawn // self.num_items

    @property
    def num_drawn(self) -> int:
        """Indices drawn so far by all ranks together: the position in the order."""
        return self._drawn

    def next(self) -> Indices:
        """This rank's slice of the next batch of indices, int64 (batch_size / num_ranks,)."""
        batch = np.empty(self.batch_size, dtype=np.int64)
        filled = 0
        while filled < self.batch_size:
            epoch, position = divmod(self._drawn, self.num_items)
            part = self._epoch_order(epoch)[position : position + self.batch_size - filled]
            batch[filled : filled + len(part)] = part
            filled += len(part)
            self._drawn += len(part)
        return batch[self._mine]

    def state(self) -> dict[str, int]:
        """Where the order is, as numbers that JSON can hold; the same on every rank."""
        return {"num_items": self.num_items, "seed": self.seed, "drawn": self._drawn}

    def restore(self, state: dict[str, int]) -> None:
        """Go on exactly where `state` was taken; batch size, rank and number of ranks may differ.

        Raises:
            DataError: the state belongs to other data or another seed.
        """
        for name, now in (("num_items", self.num_items), ("seed", self.seed)):
            if state.get(name) != now:
                raise DataError(
                    f"the saved data position was taken with {name} {state.get(name)}, now it is {now}: "
                    "resume with the data and the seed that the run was started with"
                )
        self._drawn = int(state["drawn"])

    def _epoch_order(self, epoch: int) -> Indices:
        if epoch != self._order_epoch:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(self.num_items)
            self._order_epoch = epoch
        return self._order
