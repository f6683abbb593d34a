"""`metric/fvd` in evaluation during training: the same clips each time, the real ones seen once."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vqtool.core.config import ClassicConfig, Config, EvalConfig, LossConfig
from vqtool.core.tokenizers.classic import VQVAE
from vqtool.data.store import FrameStore
from vqtool.errors import ConfigError
from vqtool.training.best import BestScores
from vqtool.training.evaluator import Evaluator


class Features(nn.Module):
    """Stands for I3D: mean and spread of each channel; counts the clips it has seen."""

    num_seen = 0

    def forward(self, clips_BTCHW: Tensor) -> Tensor:
        self.num_seen += len(clips_BTCHW)
        pixels = clips_BTCHW.transpose(1, 2).flatten(2)
        return torch.cat([pixels.mean(dim=2), pixels.std(dim=2)], dim=1)


def evaluator(store: Path, features: nn.Module, **settings: object) -> Evaluator:
    config = EvalConfig.model_validate({"splits": ["train"], "clip_frames": 9, "metrics": ["psnr", "fvd"]} | settings)
    return Evaluator(FrameStore.open(store), config, LossConfig(), {"i3d": features}, torch.float32)


@pytest.fixture
def model() -> VQVAE:
    torch.manual_seed(0)
    settings = {"resolution": 32, "channels": 8, "channel_multipliers": [1, 2], "num_res_blocks": 1}
    return VQVAE(ClassicConfig.model_validate(settings | {"latent_channels": 8, "attention_resolutions": []}))


def test_real_clips_are_seen_once_and_the_score_is_repeatable(small_store: Path, model: VQVAE) -> None:
    features = Features()
    evaluate = evaluator(small_store, features)
    num_clips = len(evaluate.windows["train"])
    first, second = evaluate(model, 1, "train"), evaluate(model, 2, "train")
    assert features.num_seen == 3 * num_clips
    assert first.numbers["metric/fvd"] == second.numbers["metric/fvd"] > 0
    assert first.evaluation.details["fvd"]["num_clips"] == num_clips
    assert "fvd" not in first.evaluation.clip_scores


def test_the_best_checkpoint_follows_it() -> None:
    best = BestScores()
    assert best.update({"metric/fvd": 300.0}, 1) == ["fvd"]
    assert best.update({"metric/fvd": 301.0}, 2) == []
    assert best.update({"metric/fvd": 299.0}, 3) == ["fvd"]


def test_too_few_clips_and_too_short_ones_are_refused_before_training(small_store: Path) -> None:
    with pytest.raises(ConfigError, match="fvd needs at least 2 evaluation clips of 9 frames, split 'train' has 1:"):
        evaluator(small_store, Features(), num_clips=1)
    with pytest.raises(ValueError, match=r"eval.clip_frames of at least 9 \(got 8\)"):
        evaluator(small_store, Features(), clip_frames=8)


def test_it_is_off_by_default() -> None:
    assert "fvd" not in Config().eval.metrics
