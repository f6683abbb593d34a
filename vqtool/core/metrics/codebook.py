"""How much of a codebook is used, over everything since the last reset rather than a batch."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class CodebookUsage:
    """Usage counts of the `codebook_size` codes, and what follows from them."""

    def __init__(self, codebook_size: int) -> None:
        self.codebook_size = codebook_size
        self.reset()

    def reset(self) -> None:
        """Forget all tokens."""
        self._counts_K = torch.zeros(self.codebook_size, dtype=torch.int64)

    def update(self, tokens: Tensor) -> None:
        """Count codebook indices, integers of any shape.

        Raises:
            ValueError: an index outside [0, K).
        """
        flat_N = tokens.detach().reshape(-1).long()
        if flat_N.numel() == 0:
            return
        low, high = (int(value) for value in torch.aminmax(flat_N))
        if low < 0 or high >= self.codebook_size:
            raise ValueError(f"tokens from {low} to {high} in a codebook of {self.codebook_size}")
        self._counts_K += torch.bincount(flat_N, minlength=self.codebook_size).cpu()

    def merge(self, others: Iterable["CodebookUsage"]) -> None:
        """Count what `others`, of the same codebook, have counted too."""
        for other in others:
            self._counts_K += other._counts_K

    @property
    def counts(self) -> Tensor:
        """How often each code was used, int64 (K,), on the CPU; a copy."""
        return self._counts_K.clone()

    @property
    def used(self) -> int:
        """Codes used at least once."""
        return int(self._counts_K.count_nonzero())

    @property
    def dead(self) -> int:
        """Codes never used."""
        return self.codebook_size - self.used

    @property
    def entropy_bits(self) -> float:
        """Empirical entropy of a token, bits: between 0 and log2 K, 0 where there are no tokens."""
        counts = self._counts_K[self._counts_K > 0].double()
        shares = counts / counts.sum()
        return float(-(shares * shares.log2()).sum()) + 0.0

    @property
    def perplexity(self) -> float:
        """2 ** entropy: the codebook size at which evenly used codes would carry as much; between 1 and K."""
        return float(2**self.entropy_bits)


def code_lengths(counts_K: Tensor, codebook_sizes: Sequence[int]) -> Tensor:
    """The ideal length of each code (K,), bits, under the frequencies of its own codebook; infinite for unused codes.

    Which of several codebooks a token is from is known from its place, and costs nothing.
    """
    parts = torch.split(counts_K.double(), list(codebook_sizes))
    return torch.cat([-(counts / counts.sum()).log2() for counts in parts])
