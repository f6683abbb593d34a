"""The optimisation itself: one step at a time, and the whole state of it."""

import itertools
import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vqtool.core.config import OptimConfig, TrainConfig
from vqtool.core.device import autocast, choose_precision, place
from vqtool.core.distributed import Processes
from vqtool.core.losses import Loss, TokenizerLoss
from vqtool.core.ranks import of_all_ranks
from vqtool.core.tokenizers import Reconstruction, Tokenizer
from vqtool.errors import CheckpointError, VqtoolError
from vqtool.training.adamw import adamw
from vqtool.training.adversary import Adversary
from vqtool.training.batches import Batches
from vqtool.training.optimizer import WeightAverage, build_optimizer, learning_rate, restore_optimizer
from vqtool.training.stages import StagePlan
from vqtool.training.usage import RunningUsage

MAX_SKIPPED_IN_A_ROW = 20
MAX_WARMUP_SHARE = 0.3
"""Of a stage under a wall budget that may pass without quantization."""
ALONE = Processes()


class NonFiniteError(VqtoolError):
    """The gradient was not finite many steps in a row; `clip_names` are the clips of the last of them."""

    def __init__(self, message: str, clip_names: list[str]) -> None:
        super().__init__(message)
        self.clip_names = clip_names


@dataclass(frozen=True)
class StepResult:
    """What one optimiser step gives; tensors stay on the device until somebody logs them.

    step: number of optimiser steps done. stage: name of the stage that it belongs to. losses: unweighted parts and
    `total`, means over the accumulated batches; a name with a slash is no loss (`adversary/weight`).
    grad_norm: before clipping. skipped: a gradient was not finite and nothing changed. seconds: wall time of the
    step, of which data_seconds were spent on getting frames.
    """

    step: int
    stage: str
    losses: dict[str, Tensor]
    grad_norm: float
    lr: float
    num_frames: int
    num_revived: int
    skipped: bool
    seconds: float
    data_seconds: float


class Trainer:
    """Model, loss, optimiser, weight average and data stream, advanced by `train_step`.

    `adversary` is the discriminator's side, where there is one.
    """

    def __init__(
        self,
        model: Tokenizer,
        loss: TokenizerLoss,
        batches: Batches,
        optim: OptimConfig,
        train: TrainConfig,
        processes: Processes = ALONE,
        adversary: Adversary | None = None,
    ) -> None:
        self.processes = processes
        self.device = batches.device
        self.model = place(model, self.device).train()
        self.plan = StagePlan(model.stages)
        self.model.enter_stage(0)
        self.loss = loss.to(self.device)
        self._trained = nn.ModuleList([self.model, self.loss])
        self.adversary = adversary
        self.batches = batches
        self.precision = choose_precision(train.precision, self.device)
        self.optimizer = build_optimizer(self.model, optim)
        # Apart from the model's, for the loss may change on a resume.
        learns = any(parameter.requires_grad for parameter in self.loss.parameters())
        self._loss_optimizers = [adamw(self.loss.parameters(), optim)] if learns else []
        self.average = WeightAverage(self.model, optim.ema_decay)
        self.usage = RunningUsage(self.model.codebook_size, self.device, processes)
        self.step = 0
        self.stage_step = 0
        self.seconds = 0.0
        self._optim, self._train = optim, train
        self._skipped_in_a_row = 0
        self._is_fitted = self._is_initialised = False
        self._look_at_model()

    @property
    def share_done(self) -> float:
        """How much of the run is over, in [0, 1]: of its steps or of its wall budget, whichever is further."""
        budget = self._train.max_seconds
        return min(1.0, max(self.step / self._train.steps, self.seconds / budget if budget else 0.0))

    @property
    def stage_progress(self) -> float:
        """How much of the present stage is over, in [0, 1]."""
        return self.plan.progress(self.model.stage, self.share_done)

    def train_step(self) -> StepResult:
        """One optimiser step over `accumulate` batches.

        Raises:
            NonFiniteError: the gradient was not finite many steps in a row, or the latents that codes start from.
        """
        started = time.monotonic()
        if self.plan.due(self.share_done) > self.model.stage:
            self._enter_next_stage()
        lr = learning_rate(self._optim, self.stage_step, self.stage_progress)
        for optimizer in (self.optimizer, *self._loss_optimizers):
            for group in optimizer.param_groups:
                group["lr"] = lr
        if not self._is_fitted:
            self.model.fit(self.batches.next() for _ in itertools.count())
            self._is_fitted = True
        quantized = self._codebook_is_ready()
        results = [self._accumulate(quantized) for _ in range(self._train.accumulate)]
        self._average_gradients()
        names = list(results[0][0])
        losses = torch.stack([torch.stack([parts[name] for name in names]) for parts, *_ in results]).mean(dim=0)
        self.processes.average_([losses])
        num_revived = torch.stack([num for _, num, *_ in results]).sum()
        playing = self.adversary if self.adversary and self.adversary.learns(self.share_done) else None
        # The step's only wait for the device: two or three numbers in one transfer.
        norms = [self._clip(), playing.clip()] if playing else [self._clip()]
        revived, grad_norm, *others = torch.stack([num_revived.double(), *norms]).tolist()
        skipped = not all(math.isfinite(norm) for norm in (grad_norm, *others))
        if playing:
            playing.update(lr, skipped)
        self._update(skipped)
        self.step += 1
        self.stage_step += 1
        # The schedule follows the clock, so all processes must have the same one.
        (seconds,) = self.processes.largest([time.monotonic() - started])
        self.seconds += seconds
        return StepResult(
            step=self.step,
            stage=self.plan.stages[self.model.stage].name,
            losses=dict(zip(names, losses, strict=True)),
            grad_norm=grad_norm,
            lr=lr,
            num_frames=sum(num_frames for _, _, num_frames, _ in results) * self.processes.size,
            num_revived=int(revived),
            skipped=skipped,
            seconds=seconds,
            data_seconds=sum(wait for *_, wait in results),
        )

    def _accumulate(self, quantized: bool) -> tuple[dict[str, Tensor], Tensor, int, float]:
        """Forward and backward of one batch: loss parts, codes revived, frames, seconds spent on data."""
        started = time.monotonic()
        frames_BTCHW = self.batches.next()
        data_seconds = time.monotonic() - started
        with autocast(self.device, self.precision):
            result = self.model(frames_BTCHW, quantized)
            loss = self.loss(frames_BTCHW, result, self.share_done)
        parts = loss.parts | self._backward(frames_BTCHW, result, loss)
        if result.tokens is not None:
            self.usage.update(result.tokens.of_clips(), self.step)
        return parts, result.num_revived, result.frames_BTCHW.shape[:2].numel(), data_seconds

    def _backward(self, frames_BTCHW: Tensor, result: Reconstruction, loss: Loss) -> dict[str, Tensor]:
        """Gradients of the tokenizer and, where it plays, of the discriminator; gives what that adds to the log."""
        scale, adversary, share_done = 1 / self._train.accumulate, self.adversary, self.share_done
        parts: dict[str, Tensor] = {}
        if adversary and adversary.teaches(share_done):
            parts = adversary.backward(self.model, result.frames_BTCHW, loss, scale)
        else:
            torch.autograd.backward(loss.total / self._train.accumulate)
        if adversary and adversary.learns(share_done):
            target_BTCHW = frames_BTCHW if result.target_BTCHW is None else result.target_BTCHW
            parts |= adversary.learn(target_BTCHW, result.frames_BTCHW, scale)
        return parts

    def _enter_next_stage(self) -> None:
        """Go on from the averaged weights, with a new optimiser for what the next stage trains."""
        self.model.load_state_dict(self.average.model.state_dict())
        self._enter_stage(self.model.stage + 1)
        self.stage_step = 0

    def _enter_stage(self, number: int) -> None:
        self.model.enter_stage(number)
        self.optimizer = build_optimizer(self.model, self._optim)
        self._look_at_model()

    def _look_at_model(self) -> None:
        """Keep what the model says of itself: asked at every step, a GPU would be waited for each time."""
        self._is_fitted = self.model.is_fitted
        self._is_initialised = self.model.quantizer.is_initialised

    def _average_gradients(self) -> None:
        """The mean over the processes, of which each has the gradient of its slice of the batch."""
        if self.processes.size > 1:
            self.processes.average_([p.grad for p in self._trained.parameters() if p.grad is not None])

    def _clip(self) -> Tensor:
        """Clip the gradient; gives its norm before that."""
        limit = self._optim.clip_norm or float("inf")
        return nn.utils.clip_grad_norm_(self._trained.parameters(), limit, foreach=True).double()

    def _update(self, skip: bool) -> None:
        """Apply the gradient, unless it is to be skipped because it is not finite."""
        if not skip:
            for optimizer in (self.optimizer, *self._loss_optimizers):
                optimizer.step()
            self.average.update(self.model, self.stage_step)
        self._skipped_in_a_row = self._skipped_in_a_row + 1 if skip else 0
        for optimizer in (self.optimizer, *self._loss_optimizers):
            optimizer.zero_grad(set_to_none=True)
        if self._skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            raise self._diverged(
                f"the gradient was not finite for {MAX_SKIPPED_IN_A_ROW} steps in a row, up to step {self.step + 1}"
            )

    def _diverged(self, what: str) -> NonFiniteError:
        """What every process raises, with the clips of all of them."""
        names = self.processes.gather(self.batches.clip_names(self._train.accumulate))
        return NonFiniteError(
            f"{what}: resume with a lower rate (--resume --set optim.lr=...) or with --set train.precision=fp32; "
            "events.jsonl names the clips of the last step",
            list(itertools.chain(*names)),
        )

    def _codebook_is_ready(self) -> bool:
        """Place the codes among latents once the warm-up is over; whether to quantize."""
        quantizer = self.model.quantizer
        # A short stage must not end before it ever quantized.
        stage_steps = int(self._train.steps * self.plan.share(self.model.stage))
        warmed_up = (
            self.stage_step >= min(quantizer.warmup_steps, stage_steps // 10) or self.stage_progress >= MAX_WARMUP_SHARE
        )
        if not self._is_initialised and warmed_up:
            quantizer.initialise(self._collect_latents(quantizer.num_initial_vectors))
            self._is_initialised = True
        return self._is_initialised

    @torch.no_grad()
    def _collect_latents(self, num: int) -> Tensor:
        """At least `num` latents of the next batches, (N, D); of several processes, this one's part of them."""
        collected: list[Tensor] = []
        while sum(len(vectors) for vectors in collected) < num:
            with autocast(self.device, self.precision):
                latents_NCHW = self.model.encode_latents(self.batches.next())
            collected.append(of_all_ranks(latents_NCHW.movedim(1, -1).flatten(0, -2)))
        latents_ND = torch.cat(collected)
        if not latents_ND.isfinite().all():
            raise self._diverged(f"latents are not finite at step {self.step}, before the codebook is placed")
        # A part for each process, one after the other in the order that one process would have them.
        return latents_ND.chunk(self.processes.size)[self.processes.rank]

    def state(self) -> dict[str, Any]:
        """All that an exact resume needs: tensors, numbers, lists and dicts."""
        return {
            "step": self.step,
            "stage": self.model.stage,
            "stage_step": self.stage_step,
            "seconds": self.seconds,
            "skipped_in_a_row": self._skipped_in_a_row,
            "model": self.model.state_dict(),
            "average": self.average.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches.state(),
            "usage": self.usage.state(),
            "loss": self.loss.state(),
            "loss_optimizers": [optimizer.state_dict() for optimizer in self._loss_optimizers],
            "adversary": self.adversary.state() if self.adversary else None,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`; parts of the loss that it knows nothing of start afresh.

        Raises:
            CheckpointError: the state belongs to another model or another version.
        """
        try:
            self.model.load_state_dict(state["model"])
            self.average.model.load_state_dict(state["average"])
            self._enter_stage(state["stage"])
            restore_optimizer(self.optimizer, state["optimizer"])
            self.batches.restore(state["batches"])
            self.usage.restore(state["usage"])
            self.loss.restore(state.get("loss", {}))
            for optimizer, kept in zip(self._loss_optimizers, state.get("loss_optimizers", []), strict=False):
                optimizer.load_state_dict(kept)
            if self.adversary and state.get("adversary"):
                self.adversary.restore(state["adversary"])
            self.step, self.seconds = state["step"], state["seconds"]
            self.stage_step = state["stage_step"]
            self._skipped_in_a_row = state["skipped_in_a_row"]
            torch.set_rng_state(state["torch_rng"])
            if self.device.type == "cuda" and state["cuda_rng"] is not None:
                torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"the training state does not fit this config: {error}; resume with the settings it began with"
            ) from error
