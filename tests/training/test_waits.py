"""What a step asks the device for. Here it is a CPU; but what is asked of it, a host would wait for on a GPU."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vqtool.core.config import Config
from vqtool.training.start import build

# Each reads a number, or needs one to know how much memory its result takes.
WAITING = ("local_scalar_dense", "nonzero", "bincount", "masked_select", "unique", "equal", "is_nonzero", "item")
CLIP = (
    "model.kind=clip", "model.segment_frames=4", "model.train_frames=2", "data.clip_frames=4", "loss.motion_weight=4",
    "model.context_channels=8", "model.context_quantizer.of.codebook_size=16", "model.context_quantizer.of.code_dim=4",
    "model.linear_path=true",
)  # fmt: skip
ADVERSARY = ("loss.adversarial_weight=0.5", "loss.adversarial_start=0", "loss.discriminator_channels=8")


class Waits(TorchDispatchMode):
    """The names of the operations whose result the host has to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.lstrip("_")
        by_mask = name.startswith(("index.", "index_put")) and any(
            getattr(i, "dtype", None) == torch.bool for i in args[1]
        )
        if by_mask or name.split(".")[0] in WAITING:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("settings", [("train.accumulate=2",), ("model.linear_path=true", *ADVERSARY), CLIP])
def test_a_step_reads_no_number_before_its_end(tiniest: Callable[..., Config], settings: tuple[str, ...]) -> None:
    trainer, _ = build(tiniest(*settings), torch.device("cpu"))
    for _ in range(5):  # into the last stage, past the placing of its codes
        trainer.train_step()
    assert trainer.model.quantizer.is_initialised and trainer.model.stage == len(trainer.plan.stages) - 1
    with Waits() as waits:
        # Its own end is a list of several numbers at once, which is none of these operations.
        results = [trainer.train_step() for _ in range(3)]
    assert waits.names == [] and not any(result.skipped for result in results)
