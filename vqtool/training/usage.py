"""How many codes training uses right now, over a window of steps rather than a batch."""

from typing import Any

import torch
from torch import Tensor

from vqtool.core.distributed import Processes
from vqtool.core.quantizers.lookup import count_codes

WINDOW_STEPS = 100
ALONE = Processes()


class RunningUsage:
    """Codes used in about the last hundred steps: counts that fade by 1 % a step, and when each code was last used."""

    def __init__(self, codebook_size: int, device: torch.device, processes: Processes = ALONE) -> None:
        self._processes = processes
        self._counts = torch.zeros(codebook_size, device=device)
        self._last_used = torch.full((codebook_size,), -WINDOW_STEPS - 1, dtype=torch.int64, device=device)

    def update(self, tokens: Tensor, step: int) -> None:
        """Count the tokens of a batch, those of the other processes too."""
        counts = count_codes(tokens, len(self._counts))
        self._processes.sum_(counts)
        self._counts.mul_(1 - 1 / WINDOW_STEPS).add_(counts)
        self._last_used.masked_fill_(counts > 0, step)

    def summary(self, step: int) -> dict[str, Tensor]:
        """`perplexity` of the faded counts, and codes `used` and `dead` over the last hundred steps, as scalars."""
        shares = self._counts / self._counts.sum().clamp(min=1e-9)
        used = (step - self._last_used <= WINDOW_STEPS).sum()
        return {
            "perplexity": torch.special.entr(shares).sum().exp(),
            "used": used,
            "dead": len(self._counts) - used,
        }

    def state(self) -> dict[str, Any]:
        """What a resume needs."""
        return {"counts": self._counts, "last_used": self._last_used}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self._counts.copy_(state["counts"])
        self._last_used.copy_(state["last_used"])
