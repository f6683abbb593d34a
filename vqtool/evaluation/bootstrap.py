"""How far a mean score could be off: bootstrap intervals over trajectories."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUM_RESAMPLES = 2000
COVERAGE = 0.95
SEED = 23
CHUNK_COUNTS = 1 << 22
"""Counts held at once: bounds memory whatever the number of trajectories."""
FEW_CLUSTERS = 20
"""Below this number of trajectories a percentile interval is noticeably too narrow."""


def mean_intervals(
    values_NM: Floats, clusters: Sequence[str], num_resamples: int = NUM_RESAMPLES, seed: int = SEED
) -> tuple[Floats, Floats]:
    """The 95 % percentile bootstrap interval of the mean of each column (Efron & Tibshirani 1993, sections 6 and 13.3).

    Windows and cameras of one trajectory show the same scene, so they are no independent samples: whole trajectories
    are drawn with replacement (cluster bootstrap, Davison & Hinkley 1997, section 3.8), as many as there are, and each
    brings all its windows. Every column sees the same draws, so a column of differences A - B gives the paired interval
    of the difference of the two means. The draws depend on the seed and the number of trajectories alone.

    Args:
        values_NM: A row a window, finite.
        clusters: The trajectory of each window, N names.
        num_resamples: R.
        seed: Of the draws.

    Returns:
        The lower and the upper ends, (M,) each; NaN where there are fewer than two trajectories.
    """
    names, member_N = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    num_columns = values_NM.shape[1]
    if len(names) < 2:
        return np.full(num_columns, np.nan), np.full(num_columns, np.nan)
    # Around their mean, so that columns of equal values have intervals of no width rather than of rounding errors.
    centre_M = values_NM.mean(axis=0)
    sums_GM = np.zeros((len(names), num_columns))
    np.add.at(sums_GM, member_N, values_NM - centre_M)
    means_RM = centre_M + _resampled_means(sums_GM, np.bincount(member_N), num_resamples, seed)
    tail = (1 - COVERAGE) / 2
    low_M, high_M = np.quantile(means_RM, [tail, 1 - tail], axis=0)
    return low_M, high_M


def _resampled_means(sums_GM: Floats, sizes_G: NDArray[np.intp], num_resamples: int, seed: int) -> Floats:
    """The mean of the windows of G drawn trajectories, R times, (R, M)."""
    generator = np.random.default_rng(seed)
    num_clusters = len(sizes_G)
    chunk = max(1, CHUNK_COUNTS // num_clusters)
    means = []
    for start in range(0, num_resamples, chunk):
        rows = min(chunk, num_resamples - start)
        drawn_RG = generator.integers(num_clusters, size=(rows, num_clusters))
        drawn_RG += np.arange(rows)[:, None] * num_clusters
        counts_RG = np.bincount(drawn_RG.ravel(), minlength=rows * num_clusters).reshape(rows, num_clusters)
        counts = counts_RG.astype(np.float64)
        means.append((counts @ sums_GM) / (counts @ sizes_G)[:, None])
    return np.concatenate(means)
