"""Training batches: which clips, and their frames on the device."""

from typing import Any

import torch
from torch import Tensor

from vqtool.core.frames import to_model
from vqtool.data.sampler import BatchSampler
from vqtool.data.windows import Windows


class Batches:
    """An endless seeded stream of clips (B, T, 3, H, W) in [-1, 1] on `device`; its position is part of a resume."""

    def __init__(self, windows: Windows, batch_size: int, seed: int, device: torch.device) -> None:
        self.windows = windows
        self.device = device
        self._sampler = BatchSampler(len(windows), batch_size, seed)

    def next(self) -> Tensor:
        """The next batch."""
        return to_model(self.windows.gather(self._sampler.next()), self.device)

    def state(self) -> dict[str, Any]:
        """The position in the stream."""
        return self._sampler.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position that `state` gave."""
        self._sampler.restore(state)
