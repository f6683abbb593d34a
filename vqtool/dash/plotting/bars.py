"""How often each code of a codebook is used, as bars and as a map."""

import numpy as np
from numpy.typing import NDArray

EIGHTHS = " ▁▂▃▄▅▆▇█"
DEAD = "·"
Counts = NDArray[np.integer]


def rank_bars(counts: Counts, rows: int, columns: int) -> list[str]:
    """Counts (K,) sorted from the most to the least used code, as bars on a logarithmic scale, `rows` lines of text.

    A full codebook is a plateau, a collapsed one a cliff. Where a column stands for several codes it shows their mean;
    any use at all is drawn.
    """
    if rows < 1 or columns < 1 or not len(counts):
        return []
    ordered = np.sort(counts)[::-1].astype(np.float64)
    starts = np.arange(columns) * len(ordered) // columns
    if len(ordered) > columns:
        means = np.add.reduceat(ordered, starts) / np.diff(starts, append=len(ordered))
    else:
        means = ordered[starts]
    heights = np.log1p(means) / max(np.log1p(ordered[0]), 1e-9) * rows * 8
    eighths = np.where(means > 0, np.maximum(np.rint(heights), 1), 0).astype(int)
    levels = np.clip(eighths[None, :] - 8 * np.arange(rows - 1, -1, -1)[:, None], 0, 8)
    return ["".join(EIGHTHS[level] for level in row) for row in levels]


def code_map(counts: Counts, columns: int) -> list[str]:
    """Counts (K,) in the codebook's order, one character a code: a dot for a dead one, else a bar by log count."""
    if columns < 1 or not len(counts):
        return []
    share = np.log1p(counts) / max(np.log1p(float(counts.max())), 1e-9)
    levels = np.where(counts > 0, np.clip(np.ceil(share * 8), 1, 8), 0).astype(int)
    characters = [EIGHTHS[level] if level else DEAD for level in levels]
    return ["".join(characters[start : start + columns]) for start in range(0, len(characters), columns)]


def perplexity(counts: Counts) -> float:
    """The exponential of the entropy of the usage: the number of codes in effective use; 0 where none is used."""
    total = float(counts.sum())
    shares = counts[counts > 0] / total if total else np.empty(0)
    return float(np.exp(-(shares * np.log(shares)).sum())) if total else 0.0
