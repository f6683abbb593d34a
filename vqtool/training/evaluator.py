"""Evaluation during training: the same clips every time, scored with the averaged weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from vqtool.core.config import EvalConfig, LossConfig
from vqtool.core.distributed import Processes
from vqtool.core.metrics import Networks, build_metrics
from vqtool.core.tokenizers import Tokenizer
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows, evaluation_windows
from vqtool.errors import ConfigError
from vqtool.evaluation.evaluate import Contender, Evaluation, evaluate_all, model_reconstructor

Advance = Callable[[int, int], None]
ALONE = Processes()


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of one split after `step` optimiser steps; `numbers` have the names of metrics.jsonl."""

    step: int
    split: str
    numbers: dict[str, float]
    evaluation: Evaluation


class Evaluator:
    """The evaluation clips of each split and the metrics, ready to score a model.

    The metrics live as long as this does: FVD looks at the real clips, the same each time, only once.

    Raises:
        ConfigError: a metric needs more clips than a split has.
    """

    def __init__(
        self,
        store: FrameStore,
        config: EvalConfig,
        loss: LossConfig,
        networks: Networks,
        precision: torch.dtype,
        processes: Processes = ALONE,
    ) -> None:
        self.windows: Mapping[str, Windows] = {
            split: evaluation_windows(store, split, config.clip_frames, config.num_clips) for split in config.splits
        }
        self.metrics = build_metrics(config.metrics, networks)
        self._require_clips()
        self._batch_size = config.batch_size
        self._loss = loss
        self._precision = precision
        self._processes = processes

    def __call__(self, model: Tokenizer, step: int, split: str, advance: Advance | None = None) -> Evaluated:
        """Score `model` on one split."""
        reconstruct = model_reconstructor(model, self._precision)
        (evaluation,) = evaluate_all(
            [Contender("model", reconstruct, self.metrics, model.codebook_size, self._loss.pixel_kind)],
            self.windows[split],
            next(model.parameters()).device,
            self._batch_size,
            advance,
            self._processes,
        )
        return Evaluated(step, split, self._numbers(evaluation), evaluation)

    def _require_clips(self) -> None:
        """Refuse at the start what would stop the run at its first evaluation."""
        for split, windows in self.windows.items():
            for metric in self.metrics:
                if len(windows) < metric.min_clips:
                    raise ConfigError(
                        f"{metric.name} needs at least {metric.min_clips} evaluation clips of {windows.clip_frames} "
                        f"frames, split {split!r} has {len(windows)}: preprocess with more trajectories in it, "
                        f"set eval.num_clips or eval.clip_frames, or leave {metric.name} out of eval.metrics"
                    )

    def _numbers(self, evaluation: Evaluation) -> dict[str, float]:
        """Scores, losses and codebook use by the names of metrics.jsonl.

        `loss/total` is of the terms that can be told of a clip by itself: pixels, all of the same weight, LPIPS where
        it is a metric, and the quantizer; the extra weight of motion, video features and the discriminator are not in
        it.
        """
        numbers = {f"metric/{name}": score for name, score in evaluation.scores.items()}
        numbers["loss/pixel"] = evaluation.pixel_loss
        numbers |= {f"loss/{name}": value for name, value in evaluation.quantizer_parts.items()}
        total = self._loss.pixel_weight * evaluation.pixel_loss + self._loss.codebook_weight * evaluation.quantizer_loss
        if self._loss.perceptual_weight and "lpips" in evaluation.scores:
            numbers["loss/perceptual"] = evaluation.scores["lpips"]
            total += self._loss.perceptual_weight * evaluation.scores["lpips"]
        numbers["loss/total"] = total
        if evaluation.moving_psnr is not None:
            numbers["metric/psnr_moving"], numbers["metric/psnr_moving_context"] = evaluation.moving_psnr
        if evaluation.usage is not None:
            usage = evaluation.usage
            numbers |= {"codebook/perplexity": usage.perplexity, "codebook/used": usage.used}
            numbers["codebook/dead"] = usage.dead
        return numbers
