"""How hard a split is, told by baselines that learn next to nothing.

Twelve held-out scenes of 120 are a small draw: over random splits of the simulated data the PCA below varies by half a
decibel, more than tokenizers differ. A score on one draw can be held against a figure measured on another only where
these anchors agree.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from vqtool.data.store import FrameStore, Split

PCA_SIZES = (16, 64, 256)
PUBLISHED: Mapping[str, float] = {
    "mean of the dataset": 12.8,
    "16 PCA coefficients": 16.6,
    "64 PCA coefficients": 17.8,
    "256 PCA coefficients": 19.7,
    "mean of the video": 23.9,
    "first frame": 21.2,
    "previous frame": 27.0,
}
"""PSNR in dB on the val split that the targets were set on, a split of the same 120 trajectories."""


def anchors(store: FrameStore, split: Split) -> dict[str, float]:
    """PSNR in dB of every anchor on whole videos: the mean over videos of the mean over frames."""
    mean_D, components_DK = principal_components(store)
    scores: dict[str, list[float]] = {name: [] for name in PUBLISHED}
    for frames_TD in videos(store, split):
        centred_TD = frames_TD - mean_D
        scores["mean of the dataset"].append(psnr(centred_TD))
        for size in PCA_SIZES:
            kept_DK = components_DK[:, :size]
            scores[f"{size} PCA coefficients"].append(psnr(centred_TD - centred_TD @ kept_DK @ kept_DK.T))
        scores["mean of the video"].append(psnr(frames_TD - frames_TD.mean(0)))
        scores["first frame"].append(psnr(frames_TD[1:] - frames_TD[0]))
        scores["previous frame"].append(psnr(frames_TD[1:] - frames_TD[:-1]))
    return {name: float(np.mean(found)) for name, found in scores.items()}


def principal_components(store: FrameStore) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (D,) and first components (D, 256) of every second frame of train, by the frames' inner products."""
    frames_ND = np.concatenate([frames_TD[::2] for frames_TD in videos(store, "train")])
    mean_D = frames_ND.mean(0)
    frames_ND -= mean_D
    values_N, vectors_NN = np.linalg.eigh(frames_ND @ frames_ND.T)
    largest = slice(-1, -1 - max(PCA_SIZES), -1)
    return mean_D, frames_ND.T @ vectors_NN[:, largest] / np.sqrt(values_N[largest])


def videos(store: FrameStore, split: Split) -> Iterator[NDArray[np.float32]]:
    """The videos of a split as (T, D) in [0, 1]."""
    for clip in store.split(split):
        yield store.read(clip).reshape(clip.length, -1).astype(np.float32) / 255


def psnr(error_TD: NDArray[np.float32]) -> float:
    """Mean over frames of the PSNR in dB, of pixels in [0, 1]."""
    return float(np.mean(-10 * np.log10(np.square(error_TD).mean(1).clip(min=1e-12))))
