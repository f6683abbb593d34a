"""Published checkpoints of tiny, untrained models, and reports on them; no pretrained network is at hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vqtool.core.checkpoint import load_config_of, save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer
from vqtool.data.store import FrameStore
from vqtool.evaluation.report import Report, evaluate_checkpoints

TINY = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]",
    "model.quantizer.codebook_size=16", "model.quantizer.code_dim=4", "train.precision=fp32", "eval.clip_frames=4",
    "eval.batch_size=2",
]  # fmt: skip


@pytest.fixture(autouse=True)
def without_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def publish(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`publish(seed, "model.resolution=64", ...)` is a checkpoint folder without training state."""

    def make(seed: int, *overrides: str) -> Path:
        config = load_config("tiny", [*TINY, f"data.store={small_store}", *overrides])
        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp("published") / f"seed-{seed}"
        save_checkpoint(folder, build_tokenizer(config.model).state_dict(), config)
        return folder

    return make


@pytest.fixture(scope="session")
def evaluated(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Report]:
    """`evaluated(folder, ...)` is the report on checkpoint folders, on the train split of the small store."""

    def make(*folders: Path) -> Report:
        checkpoints = [(folder, load_config_of(folder)) for folder in folders]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("VQTOOL_HOME", str(tmp_path_factory.getbasetemp() / "no-weights"))
            return evaluate_checkpoints(checkpoints, FrameStore.open(small_store), "train", torch.device("cpu"))

    return make


@pytest.fixture(scope="session")
def report(publish: Callable[..., Path], evaluated: Callable[..., Report]) -> Report:
    return evaluated(publish(0))


@pytest.fixture(scope="session")
def comparison(publish: Callable[..., Path], evaluated: Callable[..., Report]) -> Report:
    return evaluated(publish(0), publish(1))
