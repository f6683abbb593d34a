"""Tokenizers trained side by side for the same wall time on the same split, and what they then score.

Every row is a config with settings of its own, trained from nothing for `--seconds` of training time (evaluations and
checkpoints not counted), one seed. Then its averaged weights reconstruct all clips of 12 frames of val and test, and of
the test split of a second store of real videos. The original's recipe is its network at 32 channels, a codebook drawn
in +-1/K, beta on the codebook's term, plain Adam; the rest as published. GFLOP are of encoding and decoding a frame of
a 12-frame clip, bits of the tokens of a frame: fixed, and by their entropy over the val split. The target of used codes
is held against an epoch of train as training draws it, augmented; a code may be there for pictures that only the
augmentation makes, so train as it is stands beside it. Trajectories shorter than a clip are in the store too:
tokenizers of single frames learn from them. A last table has what looking for tokens gains (`vqtool encode --search`),
by the loss that a row was trained with.
"""

import argparse
import math
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from measuring import REPOSITORY, Target, report, table
from measuring.anchors import PUBLISHED, anchors
from measuring.searched import STEPS, search, search_table
from measuring.stores import real_store, sim_store
from torch.utils.flop_counter import FlopCounterMode

from vqtool.core.checkpoint import load_model
from vqtool.core.config import Config
from vqtool.core.config_file import load_config
from vqtool.core.device import autocast, choose_device, choose_precision
from vqtool.core.metrics import METRIC_WEIGHTS, build_metrics
from vqtool.core.metrics.codebook import CodebookUsage, code_lengths
from vqtool.core.tokenizers import Tokenizer
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows, evaluation_windows
from vqtool.evaluation.baselines import baselines_for
from vqtool.evaluation.evaluate import Contender, Evaluation, evaluate_all, model_reconstructor
from vqtool.runs.checkpoints import find_checkpoint
from vqtool.training.batches import Batches
from vqtool.training.session import Session
from vqtool.training.start import start_run
from vqtool.training.trainer import StepResult
from vqtool.weights.networks import load_networks

CLIP_FRAMES = 12
BATCH_FRAMES = 48
METRICS = ("psnr", "psnr_static", "psnr_moving", "ssim", "lpips")
SEARCHED = ("best", "best + LPIPS")
QUIET = ["train.steps=1000000", "train.eval_every=1000000", "train.preview_every=1000000"]


@dataclass(frozen=True)
class Row:
    """A tokenizer to train: `prepare` may change the fresh session before its first step."""

    config: str
    settings: Sequence[str] = ()
    prepare: Callable[[Session], None] | None = None


def as_published(session: Session) -> None:
    """The codebook of the original: drawn in +-1/K, never placed among latents, never revived."""
    trainer = session._trainer
    quantizer = trainer.model.quantizer
    with torch.no_grad():
        quantizer.embedding.weight.uniform_(-1 / quantizer.codebook_size, 1 / quantizer.codebook_size)
        quantizer.initialised.fill_(True)
    trainer._look_at_model()


ORIGINAL = [
    "model.channels=32", "train.batch_size=16", "train.accumulate=1", "loss.pixel_weight=1", "optim.schedule=constant",
    "optim.warmup_steps=0", "optim.clip_norm=0", "optim.ema_decay=0", "model.quantizer.revive_below=0",
]  # fmt: skip
HALF = [
    "model.context_quantizer={kind='ema', code_dim=24, usage_decay=0.99, warmup_steps=0, vectors_per_code=40}",
    "model.channel_multipliers=[1,2,3,3,3]",
    "model.quantizer={kind='residual', num_levels=2, of={kind='ema', code_dim=32, usage_decay=0.98, warmup_steps=0}}",
]  # fmt: skip
"""88 tokens a clip: 8x8 for the context, 2 a frame."""
LPIPS = [
    "loss.perceptual_weight=1", "loss.feature_weight=0.5", "optim.kind=muon", "optim.lr=2.8e-3",
    "optim.weight_decay=0.5", "model.quantizer.usage_decay=0.995",
    "model.quantizer.perturb_share=0.1", "model.quantizer.perturb_among=32",
    "data.augment.shift=0.1", "data.augment.min_crop=1",
    "data.augment.brightness=0", "data.augment.contrast=0", "data.augment.saturation=0",
]  # fmt: skip
"""LPIPS costs many times the rest of a step, so that Muon's time is little. Against learning the scenes by heart near
codes help, and shifts, which leave textures sharp; the other augmentation would take steps that do not fit."""
ROWS: dict[str, Row] = {
    "original": Row("baseline_2d", ORIGINAL, as_published),
    "best": Row("best"),
    "best + LPIPS": Row("best", LPIPS),
    "clip, mean": Row("clip"),
    "clip, first": Row("clip", ["model.context=first"]),
    "clip, half bits": Row("clip", HALF),
}


@dataclass(frozen=True)
class Trained:
    """A row after training."""

    model: Tokenizer
    config: Config
    num_steps: int
    frames_per_second: float
    gigaflops_per_frame: float


def train(name: str, row: Row, store: Path, folder: Path, seconds: float) -> Trained:
    """Train one row; its run stays in `folder`."""
    run = f"{name.replace(',', '').replace(' ', '-').replace('+', 'with')}"
    settings = [f"data.store={store}", f"run.dir={folder}", f"run.name={run}", f"train.max_seconds={seconds}", *QUIET]
    config = load_config(row.config, [*settings, "eval.num_clips=2", "eval.metrics=['psnr']", *row.settings])
    session = start_run(config, "auto", row.config, "benchmarks/tokenizers.py")
    if row.prepare is not None:
        row.prepare(session)
    steps = [happening for happening in session.happenings() if isinstance(happening, StepResult)]
    model, _ = load_model(find_checkpoint(str(session.run.path)), choose_device("auto"))
    frames = torch.zeros(1, CLIP_FRAMES, 3, model.resolution, model.resolution, device=choose_device("auto"))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(frames)
    speed = sum(step.num_frames for step in steps) / sum(step.seconds for step in steps)
    return Trained(model, config, len(steps), speed, counter.get_total_flops() / CLIP_FRAMES / 1e9)


def contenders(trained: Mapping[str, Trained], names: Sequence[str]) -> list[Contender]:
    """The models and the baselines, each with metrics of its own."""
    device = choose_device("auto")
    networks = load_networks(names, device)
    models = [
        Contender(
            name,
            model_reconstructor(row.model, choose_precision(row.config.train.precision, device)),
            build_metrics(names, networks),
            row.model.codebook_size,
        )
        for name, row in trained.items()
    ]
    cheap = [name for name in names if name not in METRIC_WEIGHTS]
    return models + [
        Contender(name, baseline, build_metrics(cheap)) for name, baseline in baselines_for(CLIP_FRAMES).items()
    ]


def score(trained: Mapping[str, Trained], windows: Windows, metrics: Sequence[str]) -> dict[str, Evaluation]:
    """Every model and baseline on the same clips."""
    rows = contenders(trained, metrics)
    results = evaluate_all(rows, windows, choose_device("auto"), batch_size=8)
    return {row.name: result for row, result in zip(rows, results, strict=True)}


def facts(trained: Mapping[str, Trained], unseen: Mapping[str, Evaluation]) -> str:
    """What each row costs."""
    head = ["", "M parameters", "GFLOP/frame", "steps", "frames/s", "tokens/clip", "bits/frame", "entropy"]
    rows = []
    for name, row in trained.items():
        counts = counts_of(unseen[name]).double()
        lengths = code_lengths(counts, row.model.codebook_sizes)
        entropy = float((counts * lengths)[counts > 0].sum() / counts.sum()) * row.model.num_tokens(CLIP_FRAMES)
        rows.append(
            [
                name,
                f"{sum(p.numel() for p in row.model.parameters()) / 1e6:.2f}",
                f"{row.gigaflops_per_frame:.3f}",
                str(row.num_steps),
                f"{row.frames_per_second:.0f}",
                str(row.model.num_tokens(CLIP_FRAMES)),
                f"{row.model.bits(CLIP_FRAMES) / CLIP_FRAMES:.1f}",
                f"{entropy / CLIP_FRAMES:.1f}",
            ]
        )
    return table(head, rows)


def counts_of(result: Evaluation) -> torch.Tensor:
    """How often a model used each of its codes."""
    assert result.usage is not None
    return result.usage.counts


def counts_as_drawn(row: Trained, store: FrameStore) -> torch.Tensor:
    """How often a model uses each of its codes over an epoch of what it learns from, augmented as in training."""
    config, device = row.config, choose_device("auto")
    windows = Windows(store, "train", config.data.clip_frames, config.data.stride)
    batches = Batches(windows, BATCH_FRAMES // config.data.clip_frames, 0, device, config.data.augment)
    usage = CodebookUsage(row.model.codebook_size)
    with torch.inference_mode(), autocast(device, choose_precision(config.train.precision, device)):
        for _ in range(math.ceil(len(windows) * config.data.clip_frames / BATCH_FRAMES)):
            usage.update(row.model.encode(batches.next()).of_clips())
    return usage.counts


def codes_table(trained: Mapping[str, Trained], counts: Mapping[str, Mapping[str, torch.Tensor]]) -> str:
    """Codes used and perplexity of every codebook, a column a split."""
    rows = [
        [name, *(codes(found[name], row.model.codebook_sizes) for found in counts.values())]
        for name, row in trained.items()
    ]
    return table(["codes used (perplexity), of 1,024 each", *counts], rows)


def codes(counts: torch.Tensor, sizes: Sequence[int]) -> str:
    """The codebooks of a model side by side."""
    parts = torch.split(counts.double(), list(sizes))
    return " + ".join(f"{int((part > 0).sum())} ({perplexity(part):.0f})" for part in parts)


def perplexity(counts_K: torch.Tensor) -> float:
    """Two to the entropy of the codes of one codebook."""
    return float(torch.special.entr(counts_K / counts_K.sum()).sum().exp())


def score_table(scores: Mapping[str, Evaluation]) -> str:
    """Scores of one split."""
    head = ["", "PSNR dB", "static dB", "moving dB", "SSIM", "LPIPS"]
    return table(
        head,
        [[name, *(_cell(metric, result.scores.get(metric)) for metric in METRICS)] for name, result in scores.items()],
    )


def _cell(metric: str, score: float | None) -> str:
    return "" if score is None else f"{score:.{2 if 'psnr' in metric else 3}f}"


def section(title: str, scores: Mapping[str, Evaluation]) -> str:
    """A split's table under its name."""
    return f"{title}, {len(next(iter(scores.values())).clip_names)} clips\n\n{score_table(scores)}"


def difficulty(store: FrameStore) -> str:
    """The anchors of both held-out splits beside those of the split that the targets were set on."""
    found = {split: anchors(store, split) for split in ("val", "test")}
    rows = [
        [name, f"{psnr:.1f}", *(f"{found[split][name]:.2f}" for split in found)] for name, psnr in PUBLISHED.items()
    ]
    return f"How hard the scenes are, PSNR in dB\n\n{table(['', 'of the targets, val', *found], rows)}"


def targets(
    scores: Mapping[str, Evaluation], looked_for: Mapping[str, Evaluation], usage: Mapping[str, int]
) -> list[Target]:
    """The promises that can be judged from the rows that were trained."""

    def of(name: str, metric: str) -> float:
        return scores[name].scores[metric]

    found = []
    if "best" in usage:
        found += [
            Target("best, val PSNR", 18.3, of("best", "psnr"), "dB"),
            Target("best, codes used", 0.99 * 1024, usage["best"], "codes"),
        ]
    if {"best", "original"} <= usage.keys():
        found.append(Target("best over original", 2.5, of("best", "psnr") - of("original", "psnr"), "dB"))
    if "best + LPIPS" in usage:
        lpips = looked_for["best + LPIPS"].scores["lpips"]
        found += [
            Target("best with LPIPS, val LPIPS", 0.45, of("best + LPIPS", "lpips"), "", at_most=True),
            Target("best with LPIPS, val LPIPS of tokens looked for", 0.45, lpips, "", at_most=True),
        ]
    if "clip, mean" in usage:
        found += [
            Target("clip, mean: val PSNR", 21.2, of("clip, mean", "psnr"), "dB"),
            Target("clip, mean: moving pixels", 16.2, of("clip, mean", "psnr_moving"), "dB"),
            Target("clip, mean: val LPIPS", 0.45, of("clip, mean", "lpips"), "", at_most=True),
        ]
    if "clip, first" in usage:
        found.append(Target("clip, first: val PSNR", 20.5, of("clip, first", "psnr"), "dB"))
    if {"best", "clip, half bits"} <= usage.keys():
        gain = of("clip, half bits", "psnr") - of("best", "psnr")
        found.append(Target("clip at half the bits over best", 0, gain, "dB"))
    return found


def main() -> int:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("VQTOOL_TEST_DATA", REPOSITORY.parent / "shared" / "data")
    parser.add_argument(
        "--data", type=Path, default=Path(default), help="folder of robonet_sim/hdf5, robonet_real/hdf5"
    )
    parser.add_argument("--store", type=Path, help="frame store to train and score on; default made of robonet_sim")
    parser.add_argument("--real", type=Path, help="frame store scored too; default made of robonet_real")
    parser.add_argument("--seconds", type=float, default=270, help="training time of a row; long mode: 3600")
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), default=list(ROWS), help="rows to train")
    parser.add_argument("--runs", type=Path, help="folder that keeps the runs")
    parser.add_argument("--output", action="store_true", help="write benchmarks/results/DATE-NAME.md too")
    options = parser.parse_args()
    folder = options.runs or Path(tempfile.mkdtemp(prefix="tokenizers-"))
    store = options.store or sim_store(options.data, folder / "sim64")
    real = options.real or real_store(options.data, folder / "real64")
    trained = {}
    for name in options.rows:
        started = time.monotonic()
        trained[name] = train(name, ROWS[name], store.resolve(), folder, options.seconds)
        print(f"{name}: {trained[name].num_steps} steps, {time.monotonic() - started:.0f} s in all", file=sys.stderr)
    stores = {"val": (store, "val"), "test": (store, "test"), "real videos, test": (real, "test")}
    scores = {
        title: score(trained, evaluation_windows(FrameStore.open(path), split, CLIP_FRAMES), METRICS)
        for title, (path, split) in stores.items()
    }
    searched = {name: (row.model, row.config) for name, row in trained.items() if name in SEARCHED}
    looked_for = search(searched, evaluation_windows(FrameStore.open(store), "val", CLIP_FRAMES))
    seen = score(trained, evaluation_windows(FrameStore.open(store), "train", CLIP_FRAMES), ["psnr", "psnr_moving"])
    counts = {
        "train as drawn": {name: counts_as_drawn(row, FrameStore.open(store)) for name, row in trained.items()},
        **{
            title: {name: counts_of(found[name]) for name in trained}
            for title, found in {"train": seen, **scores}.items()
        },
    }
    usage = {name: int((found > 0).sum()) for name, found in counts["train as drawn"].items()}
    sections = [
        f"{options.seconds:g} s of training a row.",
        difficulty(FrameStore.open(store)),
        facts(trained, scores["val"]),
        codes_table(trained, counts),
        *(section(title, found) for title, found in {**scores, "train": seen}.items()),
        *([f"val, {STEPS} steps of search\n\n{search_table(scores['val'], looked_for)}"] if looked_for else []),
    ]
    name = f"tokenizers-{options.seconds:g}s"
    return report(
        name, sections, targets(scores["val"], looked_for, usage), options.output, shlex.join(["python", *sys.argv])
    )


if __name__ == "__main__":
    raise SystemExit(main())
