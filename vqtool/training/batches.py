"""Training batches: which clips, and their frames on the device."""

from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vqtool.core.config import AugmentConfig
from vqtool.core.distributed import Processes
from vqtool.core.frames import FrameMemory, to_model
from vqtool.data.sampler import BatchSampler, Indices
from vqtool.data.windows import Windows
from vqtool.training.augment import augment

AUGMENT_STREAM = 1
"""Sets the draws of the augmentation apart from those of the order."""
NO_AUGMENT = AugmentConfig()
ALONE = Processes()
MAX_RECENT = 64
"""Batches whose clips can still be named."""


class Batches:
    """An endless seeded stream of clips (B, T, 3, H, W) in [-1, 1] on `device`; its position is part of a resume.

    `batch_size` is that of all processes together; each gets its slice of the batch that one process would get.
    """

    def __init__(
        self,
        windows: Windows,
        batch_size: int,
        seed: int,
        device: torch.device,
        augmentation: AugmentConfig = NO_AUGMENT,
        processes: Processes = ALONE,
    ) -> None:
        self.windows = windows
        self.device = device
        self._augmentation = augmentation
        self._memory = FrameMemory()
        self._processes = processes
        self._sampler = BatchSampler(len(windows), batch_size, seed, processes.rank, processes.size)
        self._recent: deque[Indices] = deque(maxlen=MAX_RECENT)

    def next(self) -> Tensor:
        """The next batch, augmented by draws that depend on the seed and the position in the stream alone."""
        position = self._sampler.num_drawn
        indices = self._sampler.next()
        self._recent.append(indices)
        frames_BTCHW = to_model(self.windows.views(indices), self.device, self._memory)
        if self._augmentation == NO_AUGMENT:
            return frames_BTCHW
        rng = np.random.default_rng([self._sampler.seed, position, AUGMENT_STREAM])
        return augment(frames_BTCHW, self._augmentation, rng, self._processes.rank, self._processes.size)

    def clip_names(self, num_batches: int) -> list[str]:
        """`clip@start` of every window in the last `num_batches` batches (at most 64)."""
        recent = list(self._recent)[-num_batches:]
        return [self.windows.name_of(int(index)) for indices in recent for index in indices]

    def state(self) -> dict[str, Any]:
        """The position in the stream."""
        return self._sampler.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position that `state` gave."""
        self._sampler.restore(state)
