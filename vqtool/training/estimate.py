"""What a run would take, from a few real steps on this machine: `vqtool train --dry-run`."""

import resource
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vqtool.core.config import Config
from vqtool.core.device import describe_device
from vqtool.core.losses import TokenizerLoss
from vqtool.core.tokenizers import Tokenizer
from vqtool.training.trainer import Trainer

TIMED_STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """Sizes and speeds of a run; FLOPs and frames are of forward and backward; seconds are of optimiser steps alone.

    The time of evaluations is not in it, nor that of a discriminator which learns only after `adversarial_start` of
    the run; 0 where there is none.
    """

    device: str
    precision: str
    num_parameters: int
    gigaflops_per_frame: float
    memory_bytes: int
    num_clips: int
    steps_per_epoch: float
    frames_per_step: int
    step_seconds: float
    total_steps: int
    max_seconds: float
    adversarial_start: float = 0.0

    @property
    def total_seconds(self) -> float:
        """Of all steps, or the wall budget where that is shorter."""
        seconds = self.total_steps * self.step_seconds
        return min(seconds, self.max_seconds) if self.max_seconds else seconds

    def lines(self) -> Iterator[str]:
        """One fact a line."""
        yield f"device      {self.device}, {self.precision}"
        yield f"parameters  {self.num_parameters / 1e6:.2f} M"
        yield f"compute     {self.gigaflops_per_frame:.2f} GFLOP a frame, forward and backward"
        yield f"memory      {self.memory_bytes / 1e9:.2f} GB at most so far"
        yield f"data        {self.num_clips:,} training clips, {self.steps_per_epoch:,.1f} steps an epoch"
        speed = self.frames_per_step / self.step_seconds
        yield f"speed       {self.step_seconds:.3f} s a step of {self.frames_per_step} frames, {speed:,.1f} frames/s"
        hours, minutes = divmod(round(self.total_seconds / 60), 60)
        yield f"time        {hours} h {minutes:02} min for {self.total_steps:,} steps, without evaluations"
        if self.adversarial_start:
            yield f"            nor the discriminator, which joins after {self.adversarial_start:.0%} of the run"


def estimate_run(config: Config, trainer: Trainer) -> Estimate:
    """Train a few steps in memory with the trainer built from `config`, and measure them."""
    clips = len(trainer.batches.windows)
    trainer.train_step()  # allocates, and picks algorithms
    seconds = statistics.median(trainer.train_step().seconds for _ in range(TIMED_STEPS))
    train = config.train
    clips_per_step = train.batch_size * train.accumulate
    return Estimate(
        device=describe_device(trainer.device),
        precision=str(trainer.precision).removeprefix("torch."),
        num_parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        gigaflops_per_frame=flops_per_frame(trainer.model, trainer.loss, trainer.batches.next()[:1]) / 1e9,
        memory_bytes=_peak_bytes(trainer.device),
        num_clips=clips,
        steps_per_epoch=clips / clips_per_step,
        frames_per_step=clips_per_step * config.data.clip_frames,
        step_seconds=seconds,
        total_steps=train.steps,
        max_seconds=train.max_seconds,
        adversarial_start=config.loss.adversarial_start if trainer.adversary else 0.0,
    )


def flops_per_frame(model: Tokenizer, loss: TokenizerLoss, frames_BTCHW: Tensor) -> float:
    """Floating-point operations of forward and backward through network and loss, as torch counts them."""
    # What is compiled is not counted.
    with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
        torch.autograd.backward(loss(frames_BTCHW, model(frames_BTCHW, False)).total)
    num_clips, num_frames = frames_BTCHW.shape[:2]
    return float(counter.get_total_flops()) / (num_clips * num_frames)


def _peak_bytes(device: torch.device) -> int:
    """Most memory used so far: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
