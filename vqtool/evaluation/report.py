"""The scores of checkpoints on a split, with the free baselines beside them: what `vqtool eval` prints and writes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from vqtool.core.checkpoint import load_model
from vqtool.core.config import Config, EvalConfig, MetricName
from vqtool.core.distributed import Processes
from vqtool.core.metrics import METRIC_WEIGHTS, METRICS, CodebookUsage, build_metrics
from vqtool.core.metrics.codebook import code_lengths
from vqtool.core.tokenizers import Tokenizer
from vqtool.data.store import Clip, FrameStore, Split
from vqtool.data.windows import Windows, evaluation_windows
from vqtool.errors import ConfigError
from vqtool.evaluation.baselines import baselines_for
from vqtool.evaluation.evaluate import Contender, Evaluation, Reconstruct, evaluate_all, reconstructor_of
from vqtool.evaluation.scores import Difference, Group, Table, differences, grouped, score_table
from vqtool.weights.networks import has_weights, load_networks

logger = logging.getLogger(__name__)

MODEL = "model"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that was evaluated: its model, how it reconstructed, and the frames of a clip.

    `search_steps` is how long better tokens than the encoder's own were looked for.
    """

    checkpoint: Path
    model: Tokenizer
    reconstruct: Reconstruct
    clip_frames: int
    search_steps: int

    @property
    def tokens_per_frame(self) -> float:
        """Tokens of a clip, of all codes of a position and of what its frames share, over its frames."""
        return self.model.num_tokens(self.clip_frames) / self.clip_frames

    @property
    def bits_per_frame(self) -> float:
        """Bits of a frame's tokens at a fixed length: log2 K each, K the size of the codebook that a token is from."""
        return self.model.bits(self.clip_frames) / self.clip_frames

    def entropy_bits_per_frame(self, usage: CodebookUsage) -> float:
        """Bits of a frame's tokens by their empirical entropy: which codebook a token is from is known, and free."""
        counts_K = usage.counts.double()
        used_K = counts_K > 0
        lengths_K = code_lengths(counts_K, self.model.codebook_sizes)
        return self.tokens_per_frame * float((counts_K * lengths_K)[used_K].sum() / counts_K.sum())

    def to_json(self, usage: CodebookUsage) -> dict[str, Any]:
        """What it costs, with how it used its codebook."""
        entropy_bits_per_frame = self.entropy_bits_per_frame(usage)
        pixels = self.model.resolution**2
        return {
            "checkpoint": str(self.checkpoint),
            "search_steps": self.search_steps,
            "tokens_per_frame": self.tokens_per_frame,
            "bits_per_frame": self.bits_per_frame,
            "entropy_bits_per_frame": entropy_bits_per_frame,
            "bits_per_pixel": self.bits_per_frame / pixels,
            "entropy_bits_per_pixel": entropy_bits_per_frame / pixels,
            "codebook": {
                "size": usage.codebook_size,
                "used": usage.used,
                "dead": usage.dead,
                "perplexity": usage.perplexity,
            },
        }


@dataclass(frozen=True)
class Report:
    """Evaluations of one split by row: the checkpoints first (`model`; `A`, `B`, ... of several), then baselines."""

    store: Path
    split: str
    windows: Windows
    tokenizers: dict[str, Candidate]
    rows: dict[str, Evaluation]

    @cached_property
    def clips(self) -> list[Clip]:
        """The video of each window."""
        return [self.windows.clip_of(index) for index in range(len(self.windows))]

    @cached_property
    def trajectories(self) -> list[str]:
        """The trajectory of each window."""
        return [clip.trajectory for clip in self.clips]

    @cached_property
    def table(self) -> Table:
        """Every score with its interval, by row and metric."""
        return score_table(self.rows, self.trajectories)

    @cached_property
    def groups(self) -> dict[str, dict[str, Group]]:
        """The clips of each robot and of each camera, with their scores."""
        return {
            "robot": grouped(self.rows, self.trajectories, [clip.robot for clip in self.clips]),
            "camera": grouped(self.rows, self.trajectories, [clip.camera for clip in self.clips]),
        }

    @cached_property
    def differences(self) -> list[Difference]:
        """Every further checkpoint minus the first."""
        base, *others = self.tokenizers
        return [entry for other in others for entry in differences(base, other, self.rows, self.trajectories)]

    def usage(self, name: str) -> CodebookUsage:
        """How a checkpoint used its codebook."""
        usage = self.rows[name].usage
        assert usage is not None
        return usage

    @property
    def first(self) -> Evaluation:
        """The row of the first checkpoint."""
        return next(iter(self.rows.values()))


def evaluate_checkpoints(
    checkpoints: Sequence[tuple[Path, Config]],
    store: FrameStore,
    split: Split,
    device: torch.device,
    advance: Callable[[int, int], None] | None = None,
    processes: Processes | None = None,
    metrics: Sequence[MetricName] = (),
    search_steps: int = 0,
) -> Report:
    """Score checkpoints and the baselines on all evaluation clips of a split.

    Args:
        checkpoints: Checkpoint folders, each with its config and what the user overrode; one is called `model`,
            several `A`, `B`, ... in this order. What is measured is up to the first.
        store: The clips.
        split: Which of them.
        device: Where.
        advance: Called with (clips done, clips) of this process.
        processes: Those that share the work.
        metrics: Only these; default all that the first config asks for, and all others whose weights are at hand.
        search_steps: How long better tokens than the encoders' own are looked for: steps of gradient a frame.

    Raises:
        CheckpointError: not a checkpoint. ConfigError: its frames are not the store's, or a search where they depend
        on each other. DataError: an empty split. WeightsError: a metric that the config asks for lacks its weights, or
        the search does. VqtoolError: not finite; names the clip.
    """
    _check_one_resolution(checkpoints)
    config = checkpoints[0][1].eval
    tokenizers = {
        name: _load(path, settings, store, device, search_steps)
        for name, (path, settings) in zip(row_names(len(checkpoints)), checkpoints, strict=True)
    }
    windows = evaluation_windows(store, split, config.clip_frames)
    names = metrics or _wanted_metrics(config, store.info.size, len(windows))
    built = build_metrics(names, load_networks(names, device))
    contenders = [
        Contender(
            name,
            tokenizer.reconstruct,
            [metric.twin() for metric in built],
            tokenizer.model.codebook_size,
        )
        for name, tokenizer in tokenizers.items()
    ]
    baselines = baselines_for(windows.clip_frames).items()
    contenders += [Contender(name, baseline, [metric.twin() for metric in built]) for name, baseline in baselines]
    results = evaluate_all(contenders, windows, device, config.batch_size, advance, processes, keep_details=True)
    rows = {contender.name: result for contender, result in zip(contenders, results, strict=True)}
    return Report(store.path, split, windows, tokenizers, rows)


def row_names(num_checkpoints: int) -> list[str]:
    """What the rows of so many checkpoints are called.

    Raises:
        ConfigError: more than the alphabet has letters.
    """
    if num_checkpoints > len(LETTERS):
        raise ConfigError(f"{num_checkpoints} checkpoints at once: compare at most {len(LETTERS)}")
    return [MODEL] if num_checkpoints == 1 else list(LETTERS[:num_checkpoints])


def common_store(checkpoints: Sequence[tuple[Path, Config]]) -> Path:
    """The frame store that the configs of all checkpoints name.

    Raises:
        ConfigError: they name different ones.
    """
    (first, store), *others = [(checkpoint, Path(config.data.store)) for checkpoint, config in checkpoints]
    for checkpoint, other in others:
        if other.resolve() != store.resolve():
            raise ConfigError(
                f"the checkpoints were trained on different stores ({first} on {store}, {checkpoint} on {other}): "
                "give the one to compare them on with --data"
            )
    return store


def check_resolution(model: Tokenizer, store: FrameStore, name: str = "the checkpoint") -> None:
    """Raises ConfigError where the model's frames are not the store's."""
    if store.info.size != model.resolution:
        raise ConfigError(
            f"the store {store.path} has frames of {store.info.size} pixels, the model of {name} takes "
            f"{model.resolution}: preprocess again with --size {model.resolution}"
        )


def _check_one_resolution(checkpoints: Sequence[tuple[Path, Config]]) -> None:
    (first, config), *others = checkpoints
    for other, its_config in others:
        if its_config.model.resolution != config.model.resolution:
            raise ConfigError(
                f"the models of {first} and {other} take frames of {config.model.resolution} and "
                f"{its_config.model.resolution} pixels, whose scores cannot be compared: evaluate each alone"
            )


def _load(checkpoint: Path, config: Config, store: FrameStore, device: torch.device, search_steps: int) -> Candidate:
    model, _ = load_model(checkpoint, device)
    check_resolution(model, store, str(checkpoint))
    reconstruct = reconstructor_of(model, config, device, search_steps)
    return Candidate(checkpoint, model, reconstruct, config.eval.clip_frames, search_steps)


def _wanted_metrics(config: EvalConfig, size: int, num_clips: int) -> list[MetricName]:
    """What the config asks for, and every other metric whose weights are at hand and that these clips allow."""
    return [name for name in METRICS if name in config.metrics or _is_possible(name, config, size, num_clips)]


def _is_possible(name: MetricName, config: EvalConfig, size: int, num_clips: int) -> bool:
    metric = METRICS[name]
    fits = config.clip_frames >= metric.min_frames and num_clips >= metric.min_clips and size >= metric.min_size
    return fits and _has_weights(name)


def _has_weights(name: MetricName) -> bool:
    if name not in METRIC_WEIGHTS or has_weights(METRIC_WEIGHTS[name]):
        return True
    logger.warning("%s is left out: get its weights with `vqtool fetch-weights %s`", name, METRIC_WEIGHTS[name])
    return False
