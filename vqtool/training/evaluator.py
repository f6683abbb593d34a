"""Evaluation during training: the same clips every time, scored with the averaged weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from vqtool.core.config import EvalConfig, LossConfig
from vqtool.core.metrics import Networks, build_metrics
from vqtool.core.vqvae import VQVAE
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows, evaluation_windows
from vqtool.evaluation.evaluate import Evaluation, evaluate, model_reconstructor

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of one split after `step` optimiser steps; `numbers` have the names of metrics.jsonl."""

    step: int
    split: str
    numbers: dict[str, float]
    evaluation: Evaluation


class Evaluator:
    """The evaluation clips of each split and the metrics, ready to score a model."""

    def __init__(
        self, store: FrameStore, config: EvalConfig, loss: LossConfig, networks: Networks, precision: torch.dtype
    ) -> None:
        self.windows: Mapping[str, Windows] = {
            split: evaluation_windows(store, split, config.clip_frames, config.num_clips) for split in config.splits
        }
        self.metrics = build_metrics(config.metrics, networks)
        self._batch_size = config.batch_size
        self._loss = loss
        self._precision = precision

    def __call__(self, model: VQVAE, step: int, split: str, advance: Advance | None = None) -> Evaluated:
        """Score `model` on one split."""
        evaluation = evaluate(
            model_reconstructor(model, self._precision),
            self.windows[split],
            self.metrics,
            next(model.parameters()).device,
            self._batch_size,
            model.quantize.codebook_size,
            advance,
        )
        return Evaluated(step, split, self._numbers(evaluation), evaluation)

    def _numbers(self, evaluation: Evaluation) -> dict[str, float]:
        """Scores, losses and codebook use by the names of metrics.jsonl."""
        numbers = {f"metric/{name}": score for name, score in evaluation.scores.items()}
        numbers["loss/pixel"] = evaluation.pixel_l1
        numbers |= {f"loss/{name}": value for name, value in evaluation.quantizer_parts.items()}
        total = self._loss.pixel_weight * evaluation.pixel_l1 + self._loss.codebook_weight * evaluation.quantizer_loss
        if self._loss.perceptual_weight and "lpips" in evaluation.scores:
            numbers["loss/perceptual"] = evaluation.scores["lpips"]
            total += self._loss.perceptual_weight * evaluation.scores["lpips"]
        numbers["loss/total"] = total
        if evaluation.usage is not None:
            usage = evaluation.usage
            numbers |= {"codebook/perplexity": usage.perplexity, "codebook/used": usage.used}
            numbers["codebook/dead"] = usage.dead
        return numbers
