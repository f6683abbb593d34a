"""Frechet video distance (Unterthiner et al. 2018), with its uncertainty."""

import hashlib
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from vqtool.core.features.i3d import MIN_FRAMES
from vqtool.core.features.precision import full_fp32
from vqtool.core.metrics.base import Metric, Networks, State
from vqtool.core.metrics.frechet import Gaussian, frechet_distance
from vqtool.errors import ConfigError, VqtoolError

MIN_CLIPS = 2
NUM_RESAMPLES = 200
NUM_FLOOR_SPLITS = 4
SEED = 0
CLIPS_AT_ONCE = 4
"""Clips in one pass of the network: bounds memory (12 frames: about 0.1 GB a clip) whatever the batch."""


class Fvd(Metric):
    """FVD of the reconstructed clips against the real ones: 0 for the same distribution of I3D logits.

    Memory grows by the logits only, 400 numbers a clip and side. Those of a real clip are kept beyond `reset`, by the
    clip's content, so that clips which are evaluated again and again pass the network once.
    """

    name = "fvd"
    unit = ""
    higher_is_better = False
    weights = "i3d"
    min_frames = MIN_FRAMES
    min_clips = MIN_CLIPS

    def __init__(self, i3d: nn.Module) -> None:
        super().__init__()
        self._i3d = i3d
        self._known: dict[bytes, Tensor] = {}

    @classmethod
    def build(cls, networks: Networks) -> Self:
        """The metric over the network `i3d`: clips (B, T, 3, H, W) in [-1, 1] -> features (B, D).

        Raises:
            ValueError: it is not there.
        """
        if "i3d" not in networks:
            raise ValueError("the metric fvd needs the network i3d")
        return cls(networks["i3d"])

    def reset(self) -> None:
        """Forget all clips, but not what real ones look like to the network."""
        self._real: list[Tensor] = []
        self._fake: list[Tensor] = []

    def count(self, real_BTCHW: Tensor, fake_BTCHW: Tensor) -> None:
        """Take in the features of these clips."""
        real, fake = self._real_features(real_BTCHW), self._features(fake_BTCHW, "reconstruction")
        self._real.append(real)
        self._fake.append(fake)

    def compute(self) -> float:
        """FVD of the clips since the last reset.

        Raises:
            ValueError: there were none.
            ConfigError: there was one, which has no covariance.
        """
        return fvd(*self._clips())

    def details(self) -> dict[str, float]:
        """`num_clips`; the 95 % interval `low` to `high` by `num_resamples`; `floor`, of `num_floor_clips` a half.

        The floor is absent where there are fewer than 4 clips.

        Raises:
            ValueError, ConfigError: as `compute`.
        """
        real, fake = self._clips()
        low, high = bootstrap_interval(real, fake)
        numbers = {"num_clips": len(real), "low": low, "high": high, "num_resamples": NUM_RESAMPLES}
        if len(real) // 2 >= MIN_CLIPS:
            numbers |= {"floor": real_floor(real), "num_floor_clips": len(real) // 2}
        return numbers

    def state(self) -> State:
        """`real` and `fake`, features (N, D) fp32."""
        empty = torch.zeros(0)
        return {"real": torch.cat(self._real or [empty]), "fake": torch.cat(self._fake or [empty])}

    def merge(self, states: Sequence[State]) -> None:
        """Hold the features in `states` instead."""
        filled = [state for state in states if len(state["real"])]
        self._real, self._fake = [state["real"] for state in filled], [state["fake"] for state in filled]

    def _clips(self) -> tuple[Tensor, Tensor]:
        """Features of real and reconstructed clips, (N, D) each, in an order that depends on them alone.

        So neither the order of clips nor the number of processes changes a sum's last bit or a resample.
        """
        state = self.state()
        if not len(state["real"]):
            raise ValueError("fvd of no clips")
        if len(state["real"]) < MIN_CLIPS:
            raise ConfigError(
                f"fvd needs at least {MIN_CLIPS} clips (got 1), whose covariance it compares: take a split with more "
                "clips, raise eval.num_clips, or leave fvd out of eval.metrics"
            )
        pairs = torch.cat([state["real"], state["fake"]], dim=1).numpy()
        order = torch.tensor(sorted(range(len(pairs)), key=lambda row: pairs[row].tobytes()))
        return state["real"][order], state["fake"][order]

    def _real_features(self, clips_BTCHW: Tensor) -> Tensor:
        levels = (clips_BTCHW * 255).round().to(torch.uint8).cpu().numpy()
        keys = [hashlib.sha256(f"{clip.shape}".encode() + clip.tobytes()).digest() for clip in levels]
        new = [index for index, key in enumerate(keys) if key not in self._known]
        if new:
            # All features first: a batch with a bad clip must not leave some of them behind.
            features = self._features(clips_BTCHW[new], "input", new)
            self._known.update(zip((keys[index] for index in new), features, strict=True))
        return torch.stack([self._known[key] for key in keys])

    def _features(self, clips_BTCHW: Tensor, side: str, places: Sequence[int] | None = None) -> Tensor:
        """(B, D) fp32 on the CPU; `places` are the clips' places in the batch, for messages."""
        with full_fp32():
            parts = [self._i3d(part * 2 - 1).float().cpu() for part in torch.split(clips_BTCHW, CLIPS_AT_ONCE)]
        features_BD = torch.cat(parts)
        bad_B = ~features_BD.isfinite().all(dim=1)
        if bad_B.any():
            row = int(bad_B.nonzero()[0])
            raise VqtoolError(
                f"fvd: the features of the {side} of clip {places[row] if places else row} of the batch are NaN or "
                "infinite though its pixels are not: the I3D weights are damaged (vqtool fetch-weights --verify i3d)"
            )
        return features_BD


def fvd(real_ND: Tensor, fake_ND: Tensor) -> float:
    """Frechet distance of the features of two sets of at least 2 clips."""
    return frechet_distance(Gaussian(real_ND), Gaussian(fake_ND))


def bootstrap_interval(real_ND: Tensor, fake_ND: Tensor) -> tuple[float, float]:
    """95 % interval of the FVD that other clips of the same number would give: what sampling clips adds to it.

    200 resamples of clips, each with its reconstruction; seeded. A resample holds fewer distinct clips, whose FVD is
    larger, so percentiles of the resamples lie above the score, often without containing it; here they are shifted so
    that the resamples' mean is the score.
    """
    generator = torch.Generator().manual_seed(SEED)
    resamples = []
    for _ in range(NUM_RESAMPLES):
        chosen = torch.randint(len(real_ND), (len(real_ND),), generator=generator)
        resamples.append(fvd(real_ND[chosen], fake_ND[chosen]))
    distances = torch.tensor(resamples, dtype=torch.float64)
    shifted = distances - distances.mean() + fvd(real_ND, fake_ND)
    low, high = shifted.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return max(low, 0.0), high


def real_floor(real_ND: Tensor) -> float:
    """FVD between two halves of the real clips, the mean of 4 seeded splits: what perfect video of new clips scores.

    It is the score's small-sample bias at N / 2 clips, where it is larger than at N.
    """
    generator = torch.Generator().manual_seed(SEED)
    half = len(real_ND) // 2
    orders = [torch.randperm(len(real_ND), generator=generator) for _ in range(NUM_FLOOR_SPLITS)]
    return sum(fvd(real_ND[order[:half]], real_ND[order[half : 2 * half]]) for order in orders) / NUM_FLOOR_SPLITS
