"""A dry run's numbers against counts by hand; it leaves no trace."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vqtool.core.config import Config
from vqtool.core.config_file import load_config
from vqtool.core.losses import TokenizerLoss
from vqtool.core.tokenizers import build_tokenizer
from vqtool.training.estimate import Estimate, estimate_run, flops_per_frame
from vqtool.training.start import build


def estimated(config: Config) -> Estimate:
    return estimate_run(config, build(config, torch.device("cpu"))[0])


def test_sizes_are_those_of_the_run(tiniest: Callable[..., Config], tmp_path: Path) -> None:
    config = tiniest("train.accumulate=3", "data.clip_frames=2")
    found = estimated(config)
    assert found.num_parameters == sum(parameter.numel() for parameter in build_tokenizer(config.model).parameters())
    assert found.frames_per_step == 4 * 3 * 2
    assert found.steps_per_epoch == pytest.approx(found.num_clips / 12)
    assert found.step_seconds > 0 and found.memory_bytes > 1e7
    assert not (tmp_path / "runs").exists()


def test_the_original_network_takes_the_published_operations() -> None:
    config = load_config("baseline_2d")
    with torch.device("meta"):
        model, loss = build_tokenizer(config.model), TokenizerLoss(config.loss, None)
        found = flops_per_frame(model, loss, torch.empty(2, 1, 3, 64, 64))
    assert found / 1e9 == pytest.approx(75.7, abs=0.05)


def test_a_discriminator_that_comes_later_is_told(tiniest: Callable[..., Config]) -> None:
    gan = ("loss.adversarial_weight=1", "loss.discriminator_channels=4")
    assert "after 30% of the run" in list(estimated(tiniest(*gan)).lines())[-1]
    at_once = estimated(tiniest(*gan, "loss.adversarial_start=0"))
    assert not any("discriminator" in line for line in at_once.lines())


def test_a_wall_budget_bounds_the_time() -> None:
    facts = {
        "device": "cpu", "precision": "float32", "num_parameters": 1, "gigaflops_per_frame": 1.0, "memory_bytes": 1,
        "num_clips": 1, "steps_per_epoch": 1.0, "frames_per_step": 10, "step_seconds": 0.5, "total_steps": 14_400,
    }  # fmt: skip
    assert "2 h 00 min for 14,400 steps" in "\n".join(Estimate(**facts, max_seconds=0).lines())  # type: ignore[arg-type]
    assert Estimate(**facts, max_seconds=60).total_seconds == 60  # type: ignore[arg-type]
