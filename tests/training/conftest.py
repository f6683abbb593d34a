"""Configurations so small that a training step takes milliseconds."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from vqtool.core.config import Config
from vqtool.core.config_file import load_config

TINIEST = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]",
    "model.quantizer.codebook_size=16", "model.quantizer.code_dim=4", "model.quantizer.warmup_steps=2",
    "model.quantizer.usage_decay=0.95", "model.quantizer.vectors_per_code=10", "loss.pixel_kind='l1'",
    "loss.pixel_weight=1",
    "train.batch_size=4", "train.precision=fp32", "train.log_every=1", "train.steps=8", "train.eval_every=4",
    "train.checkpoint_every=2", "train.preview_every=4", "train.preview_clips=2", "train.keep_last=2",
    "eval.num_clips=3", "eval.clip_frames=4", "model.linear_path=false", "data.augment.flip=0",
    "data.augment.min_crop=1", "data.augment.brightness=0", "data.augment.contrast=0", "data.augment.saturation=0",
]  # fmt: skip
"""Nothing but what every run has: tests that are about the rest switch it on."""


@pytest.fixture(scope="session")
def tiniest_in(small_store: Path) -> Callable[..., Config]:
    """`tiniest_in(folder, "train.steps=3", ...)` is a config for `small_store` whose runs go to `folder / "runs"`."""

    def config(folder: Path, *overrides: str) -> Config:
        folders = [f"data.store={small_store}", f"run.dir={folder / 'runs'}", "run.name=run"]
        return load_config("tiny", [*TINIEST, *folders, *overrides])

    return config


@pytest.fixture
def tiniest(tiniest_in: Callable[..., Config], tmp_path: Path) -> Callable[..., Config]:
    """`tiniest("train.steps=3", ...)` is a config for `small_store` whose runs go to `tmp_path / "runs"`."""
    return partial(tiniest_in, tmp_path)
