"""The scores of a checkpoint on a split, with the free baselines beside it: what `vqtool eval` prints."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vqtool.core.checkpoint import load_model
from vqtool.core.config import Config, EvalConfig, MetricName
from vqtool.core.device import choose_precision
from vqtool.core.metrics import METRIC_WEIGHTS, METRICS, build_metrics
from vqtool.core.vqvae import VQVAE
from vqtool.data.store import FrameStore, Split
from vqtool.data.windows import evaluation_windows
from vqtool.errors import ConfigError
from vqtool.evaluation.baselines import baselines_for
from vqtool.evaluation.evaluate import Evaluation, evaluate, model_reconstructor
from vqtool.evaluation.weights import has_weights, load_networks

logger = logging.getLogger(__name__)

MODEL = "model"


@dataclass(frozen=True)
class Report:
    """Evaluations of one split by name: `model` first, then the baselines."""

    checkpoint: Path
    store: Path
    split: str
    tokens_per_frame: int
    bits_per_frame: float
    rows: dict[str, Evaluation]

    @property
    def model(self) -> Evaluation:
        """The model's own row."""
        return self.rows[MODEL]

    def to_json(self) -> dict[str, Any]:
        """Everything `vqtool eval` prints, as one object."""
        usage = self.model.usage
        assert usage is not None
        return {
            "checkpoint": str(self.checkpoint),
            "store": str(self.store),
            "split": self.split,
            "clips": len(self.model.clip_names),
            "frames": self.model.num_frames,
            "tokens_per_frame": self.tokens_per_frame,
            "bits_per_frame": self.bits_per_frame,
            "entropy_bits_per_frame": usage.entropy_bits * self.tokens_per_frame,
            "codebook": {"size": usage.codebook_size, "used": usage.used, "perplexity": usage.perplexity},
            "frames_per_second": self.model.num_frames / max(self.model.seconds, 1e-9),
            "scores": {name: evaluation.scores for name, evaluation in self.rows.items()},
        }


def evaluate_checkpoint(
    checkpoint: Path,
    store: FrameStore,
    split: Split,
    device: torch.device,
    config: Config,
    advance: Callable[[int, int], None] | None = None,
) -> Report:
    """Score a checkpoint and the baselines on all evaluation clips of a split.

    Args:
        checkpoint: A checkpoint folder.
        store: The clips.
        split: Which of them.
        device: Where.
        config: The checkpoint's own, with what the user overrode.
        advance: Called with (clips done, clips) over model and baselines.

    Raises:
        CheckpointError: not a checkpoint. ConfigError: its frames are not the store's. DataError: an empty split.
        WeightsError: a metric that the config asks for lacks its weights.
    """
    model, _ = load_model(checkpoint, device)
    check_resolution(model, store)
    windows = evaluation_windows(store, split, config.eval.clip_frames)
    names = _wanted_metrics(config.eval, len(windows))
    metrics = build_metrics(names, load_networks(names, device))
    precision = choose_precision(config.train.precision, device)
    reconstructors = {MODEL: model_reconstructor(model, precision), **baselines_for(windows.clip_frames)}
    rows: dict[str, Evaluation] = {}
    for name, reconstruct in reconstructors.items():
        codebook_size = model.quantize.codebook_size if name == MODEL else 0
        shifted = _shifted(advance, len(rows), len(reconstructors))
        rows[name] = evaluate(reconstruct, windows, metrics, device, config.eval.batch_size, codebook_size, shifted)
    tokens = model.config.grid_size**2
    return Report(checkpoint, store.path, split, tokens, tokens * math.log2(model.quantize.codebook_size), rows)


def check_resolution(model: VQVAE, store: FrameStore) -> None:
    """Raises ConfigError where the model's frames are not the store's."""
    if store.info.size != model.config.resolution:
        raise ConfigError(
            f"the store {store.path} has frames of {store.info.size} pixels, the checkpoint's model takes "
            f"{model.config.resolution}: preprocess again with --size {model.config.resolution}"
        )


def _wanted_metrics(config: EvalConfig, num_clips: int) -> list[MetricName]:
    """What the config asks for, and every other metric whose weights are at hand and that these clips allow."""
    names = list(config.metrics)
    for name, metric in METRICS.items():
        allowed = config.clip_frames >= metric.min_frames and num_clips >= metric.min_clips
        if name not in names and allowed and _has_weights(name):
            names.append(name)
    return names


def _has_weights(name: MetricName) -> bool:
    if name not in METRIC_WEIGHTS or has_weights(METRIC_WEIGHTS[name]):
        return True
    logger.warning("%s is left out: get its weights with `vqtool fetch-weights %s`", name, METRIC_WEIGHTS[name])
    return False


def _shifted(advance: Callable[[int, int], None] | None, number: int, count: int) -> Callable[[int, int], None] | None:
    if advance is None:
        return None
    return lambda done, total: advance(number * total + done, count * total)
