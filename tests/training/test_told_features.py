"""Training with features told from codes: what tells them learns, is resumed, and may join or leave a run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vqtool.core.config import Config
from vqtool.core.device import choose_device
from vqtool.core.features.lpips import LPIPS
from vqtool.core.losses import TokenizerLoss
from vqtool.core.losses.code_features import CodeFeatures
from vqtool.core.tokenizers import build_tokenizer
from vqtool.data.store import FrameStore
from vqtool.data.windows import Windows
from vqtool.errors import ConfigError
from vqtool.training.batches import Batches
from vqtool.training.start import start_run
from vqtool.training.trainer import Trainer

Tiniest = Callable[..., Config]
CHANNELS = (4, 4, 4, 4, 4)
ON = ("loss.perceptual_weight=1", "loss.feature_weight=1")


def trainer(config: Config) -> Trainer:
    """As a run builds it, over a narrow network that needs no weights."""
    torch.manual_seed(0)
    lpips = LPIPS(CHANNELS)
    model = build_tokenizer(config.model)
    code_features = CodeFeatures(4, CHANNELS) if config.loss.feature_weight else None
    windows = Windows(FrameStore.open(Path(config.data.store)), "train", 1, 1)
    batches = Batches(windows, config.train.batch_size, 0, choose_device("cpu"), config.data.augment)
    loss = TokenizerLoss(config.loss, lpips, code_features=code_features)
    return Trainer(model, loss, batches, config.optim, config.train)


def steps(learner: Trainer, number: int) -> list[dict[str, float]]:
    return [{name: float(loss) for name, loss in learner.train_step().losses.items()} for _ in range(number)]


def test_what_tells_them_learns_and_a_resumed_run_equals_one_that_was_never_stopped(tiniest: Tiniest) -> None:
    config = tiniest(*ON, "train.steps=60", "optim.lr=5e-3")
    whole = trainer(config)
    expected = steps(whole, 60)
    first = trainer(config)
    found = steps(first, 20)
    state, second = first.state(), trainer(config)
    second.restore(state)
    assert [*found, *steps(second, 40)] == expected
    features = [losses["features"] for losses in expected]
    assert sum(features[-5:]) < 0.8 * sum(features[:5])
    assert not any(name.startswith("code_features") for name in whole.average.model.state_dict())


def test_they_may_join_or_leave_a_run_on_resume(tiniest: Tiniest) -> None:
    without = tiniest(ON[0])
    first, joined, left = trainer(without), trainer(tiniest(*ON)), trainer(without)
    assert "features" not in steps(first, 3)[-1]
    joined.restore(first.state())
    assert "features" in steps(joined, 3)[-1]
    left.restore(joined.state())
    assert "features" not in steps(left, 1)[-1]
    assert left.step == 7


def test_frames_that_share_codes_are_refused(tiniest: Tiniest) -> None:
    clip = ("model.kind=clip", "data.clip_frames=4", "model.segment_frames=4", "model.train_frames=2")
    with pytest.raises(ConfigError, match=r'loss\.feature_weight needs .* model\.kind = "clip"'):
        start_run(tiniest(*ON, *clip), "cpu", "tiny.toml", "vqtool train")
