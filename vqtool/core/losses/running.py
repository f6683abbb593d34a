"""Averages over the batches of training, fading, that several processes share and a resume restores."""

import torch
from torch import Tensor, nn

from vqtool.core.distributed import Processes


class RunningAverage(nn.Module):
    """Moving averages of a batch's statistics, in fp32 buffers.

    The decay grows with the number of batches up to `decay`: the plain mean at first, so that nothing is remembered of
    a starting value.
    """

    values: Tensor
    num_batches: Tensor

    def __init__(self, num_values: int, decay: float, processes: Processes) -> None:
        super().__init__()
        self.decay = decay
        self._processes = processes
        self.register_buffer("values", torch.zeros(num_values))
        self.register_buffer("num_batches", torch.zeros(()))

    @torch.no_grad()
    def update(self, batch: Tensor) -> Tensor:
        """Take in the statistics (num_values,) of this process's part of a batch; gives the averages.

        A batch that is not finite is given back but not kept.
        """
        whole = batch.float().clone()
        self._processes.average_([whole])
        decay = (self.num_batches / (self.num_batches + 1)).clamp(max=self.decay)
        averages = self.values * decay + whole * (1 - decay)
        finite = whole.isfinite().all()
        self.values.copy_(torch.where(finite, averages, self.values))
        self.num_batches.add_(finite)
        return averages
