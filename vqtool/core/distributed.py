"""Several processes at one job, as `torchrun` starts them; without its environment variables there is just one."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from vqtool.errors import ConfigError, VqtoolError

T = TypeVar("T")

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What a launcher sets for every process; `LOCAL_RANK`, the number on this machine, is 0 where it is absent."""


@dataclass(frozen=True)
class Processes:
    """This process among those of the job: number `rank` of `size`, `local_rank` among those on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The value of every process, in the order of their ranks, in every process.

        Tensors in it should be on the CPU. Every process must call this, in the same order.
        """
        if self.size == 1:
            return [value]
        values: list[T | None] = [None] * self.size
        dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def together(self, work: Callable[[], T]) -> list[T]:
        """The result of `work` of every process, in the order of their ranks, in every process.

        Raises:
            VqtoolError: `work` raised one somewhere; every process raises that of the lowest rank, so none waits.
        """
        outcomes = self.gather(_outcome(work))
        for _, mistake in outcomes:
            if mistake is not None:
                raise mistake
        return [result[0] for result, _ in outcomes if result is not None]

    def largest(self, values: Sequence[float]) -> list[float]:
        """Each value where it is largest over the processes: the same in all of them."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return [float(value) for value in tensor]

    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Put the mean over the processes into each tensor (of one type, on one device), in one transfer."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def sum_(self, tensor: Tensor) -> None:
        """Put the sum over the processes into `tensor`."""
        if self.size > 1:
            dist.all_reduce(tensor)

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.gather(None)

    def share(self, count: int) -> range:
        """This process's share of the numbers 0 .. count - 1: one run of them each, in the order of the ranks."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def place(self, device: torch.device) -> torch.device:
        """`device`, or this process's own GPU where `cuda` names none and there are several processes.

        That GPU is the current one from then on, for pinned memory is taken through it.

        Raises:
            ConfigError: fewer GPUs on this machine than processes that want one.
        """
        if device.type != "cuda" or self.size == 1:
            return device
        if str(device) != "cuda":
            raise ConfigError(f"--device {device} with {self.size} processes: use cuda, so that each takes its own GPU")
        if self.local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"process {self.local_rank} of this machine has no GPU of its own ({torch.cuda.device_count()} here): "
                "start as many processes as there are GPUs, or use --device cpu"
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)


def _outcome(work: Callable[[], T]) -> tuple[tuple[T] | None, VqtoolError | None]:
    """What `work` gives, or the mistake that it finds."""
    try:
        return (work(),), None
    except VqtoolError as error:
        return None, error


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Join the other processes of a job started by `torchrun`, and leave them at the end.

    Tensors on the CPU travel by gloo and tensors on GPUs by NCCL. Outside a job nothing is started.
    """
    if not all(name in os.environ for name in VARIABLES) or int(os.environ["WORLD_SIZE"]) == 1:
        yield Processes()
        return
    processes = Processes(
        rank=int(os.environ["RANK"]),
        size=int(os.environ["WORLD_SIZE"]),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
    )
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield processes
    finally:
        dist.destroy_process_group()
