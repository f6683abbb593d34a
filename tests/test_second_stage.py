"""The second stage of docs/second-stage.md, line for line, on a token store of a tiny tokenizer."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from vqtool.codec.encode_store import StoreEncoder
from vqtool.codec.tokenizer import load
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer
from vqtool.data.store import FrameStore
from vqtool.runs.checkpoints import point_at
from vqtool.runs.folder import create_run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "second-stage.md"
TINY = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]", "train.precision=fp32",
    "model.quantizer.codebook_size=16",
]  # fmt: skip


def program() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture
def project(small_store: Path, tmp_path: Path) -> Path:
    """A folder with runs/first:best-psnr and data/tokens64, the tokens of its untrained, but seeded, tokenizer."""
    config = load_config("tiny", [*TINY, f"data.store={small_store}"])
    torch.manual_seed(0)
    model = build_tokenizer(config.model)
    run = create_run(tmp_path / "runs", "first", "", {})
    save_checkpoint(run.checkpoints / "step-00000001", model.state_dict(), config)
    point_at(run, "best-psnr", 1)
    tokenizer = load(run.path, "cpu")
    StoreEncoder(tokenizer, FrameStore.open(small_store), tmp_path / "data" / "tokens64", "runs/first", None).run()
    return tmp_path


def test_it_has_twenty_lines() -> None:
    lines = [line for line in program().splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 20


def test_the_page_runs_as_it_is_written_and_learns(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    exec(program(), names)
    assert names["video"].shape == (1, 4, 32, 32, 3) and names["video"].dtype == "uint8"
    tokens = names["tokens"]
    shares = torch.bincount(tokens.flatten()) / tokens.numel()
    entropy = -sum(share * math.log(share) for share in shares.tolist() if share)
    assert names["loss"].item() < 0.9 * entropy, "it predicts better than the frequencies of the tokens"
