"""Training batches: which clips, and their frames on the device."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqtool.core.config import AugmentConfig
from vqtool.core.frames import FrameMemory, to_model
from vqtool.data.sampler import BatchSampler
from vqtool.data.windows import Windows
from vqtool.training.augment import augment

AUGMENT_STREAM = 1
"""Sets the draws of the augmentation apart from those of the order."""
NO_AUGMENT = AugmentConfig()


class Batches:
    """An endless seeded stream of clips (B, T, 3, H, W) in [-1, 1] on `device`; its position is part of a resume."""

    def __init__(
        self,
        windows: Windows,
        batch_size: int,
        seed: int,
        device: torch.device,
        augmentation: AugmentConfig = NO_AUGMENT,
    ) -> None:
        self.windows = windows
        self.device = device
        self._augmentation = augmentation
        self._memory = FrameMemory()
        self._sampler = BatchSampler(len(windows), batch_size, seed)

    def next(self) -> Tensor:
        """The next batch, augmented by draws that depend on the seed and the position in the stream alone."""
        rng = np.random.default_rng([self._sampler.seed, self._sampler.num_drawn, AUGMENT_STREAM])
        frames_BTCHW = to_model(self.windows.gather(self._sampler.next()), self.device, self._memory)
        return augment(frames_BTCHW, self._augmentation, rng)

    def state(self) -> dict[str, Any]:
        """The position in the stream."""
        return self._sampler.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position that `state` gave."""
        self._sampler.restore(state)
