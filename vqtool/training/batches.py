"""Training batches: which clips, and their frames on the device, each made ready while the step before is taken."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Ready:
    """A batch, the windows in it, and where the stream goes on after it; `is_done` says when a GPU has it."""

    frames_BTCHW: Tensor
    indices: Indices
    state: dict[str, int]
    is_done: torch.cuda.Event | None


class Batches:
    """An endless seeded stream of clips (B, T, 3, H, W) in [-1, 1] on `device`; its position is part of a resume.

    `batch_size` is that of all processes together; each gets its slice of the batch that one process would get. A
    thread reads and augments the batch after the one that was given out; the position counts those given out alone.
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
        self._processes = processes
        # Only the thread touches these while a batch is coming.
        self._sampler = BatchSampler(len(windows), batch_size, seed, processes.rank, processes.size)
        self._memory = FrameMemory()
        self._position = self._sampler.state()
        self._recent: deque[Indices] = deque(maxlen=MAX_RECENT)
        self._thread = _thread_on_one_core()
        self._coming: Future[_Ready] | None = None
        # Its own, so that nothing waits for the operations of a step that are not done yet.
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def next(self) -> Tensor:
        """The next batch, augmented by draws that depend on the seed and the position in the stream alone.

        Raises:
            DataError: a shard is gone or damaged.
        """
        if self._coming is None:
            self._coming = self._thread.submit(self._load)
        ready = self._coming.result()
        self._position = ready.state
        self._recent.append(ready.indices)
        self._coming = self._thread.submit(self._load)
        if ready.is_done:
            step = torch.cuda.current_stream(self.device)
            step.wait_event(ready.is_done)
            ready.frames_BTCHW.record_stream(step)
        return ready.frames_BTCHW

    def clip_names(self, num_batches: int) -> list[str]:
        """`clip@start` of every window in the last `num_batches` batches (at most 64)."""
        recent = list(self._recent)[-num_batches:]
        return [self.windows.name_of(int(index)) for indices in recent for index in indices]

    def state(self) -> dict[str, Any]:
        """The position in the stream, after the last batch that was given out."""
        return self._position

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position that `state` gave."""
        if self._coming is not None:
            self._coming.exception()  # waits for it; that batch is not wanted any more, nor what went wrong with it
            self._coming = None
        self._sampler.restore(state)
        self._position = self._sampler.state()

    def _load(self) -> _Ready:
        """In the thread, which has a current GPU and stream of its own, and no autocast."""
        position = self._sampler.num_drawn
        indices = self._sampler.next()
        with torch.cuda.stream(self._stream) if self._stream else nullcontext():
            frames_BTCHW = to_model(self.windows.select(indices), self.device, self._memory)
            if self._augmentation != NO_AUGMENT:
                rng = np.random.default_rng([self._sampler.seed, position, AUGMENT_STREAM])
                augment(frames_BTCHW, self._augmentation, rng, self._processes.rank, self._processes.size)
        is_done = self._stream.record_event() if self._stream else None
        return _Ready(frames_BTCHW, indices, self._sampler.state(), is_done)


def _thread_on_one_core() -> ThreadPoolExecutor:
    """A thread whose operations are not shared out to the cores that a step computes on."""
    num_threads = torch.get_num_threads()
    thread = ThreadPoolExecutor(1, thread_name_prefix="next batch")
    # Asked first, for a thread takes over the number of all at its first look.
    thread.submit(torch.get_num_threads).result()
    thread.submit(torch.set_num_threads, 1).result()
    torch.set_num_threads(num_threads)  # torch has changed that of all threads to come, too
    return thread
