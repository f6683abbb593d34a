"""`vqtool eval` as a user sees it: 80 columns, comparison, report and mistakes."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from vqtool.cli.app import app
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer
from vqtool.errors import DataError

TINY = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]",
    "model.quantizer.codebook_size=16", "model.quantizer.code_dim=4", "train.precision=fp32", "eval.clip_frames=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def checkpoints(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    config = load_config("tiny", [*TINY, f"data.store={small_store}"])
    folders = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        folders.append(tmp_path_factory.mktemp("eval") / f"seed-{seed}")
        save_checkpoint(folders[-1], build_tokenizer(config.model).state_dict(), config)
    return folders


@pytest.fixture(autouse=True)
def narrow_and_bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")


def evaluate(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["eval", "--split", "train", "--device", "cpu", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_comparison_fits_80_columns_and_says_who_is_better_in_words(checkpoints: list[Path]) -> None:
    first, second = checkpoints
    text = evaluate("--checkpoint", first, "--checkpoint", second)
    tables = text.split("A: checkpoint")[0]
    assert max(map(len, tables.splitlines())) <= 80
    for head in ("PSNR dB ↑", "SSIM ↑", "FLICKER levels ↓", "copy previous", "B - A"):
        assert head in tables
    assert tables.count("is better") + tables.count("no clear difference") == 5
    assert "\x1b" not in text
    assert "Intervals: 95 %, bootstrap over 4 trajectories" in text


def test_a_search_raises_the_psnr_of_each_clip_and_is_named(checkpoints: list[Path], tmp_path: Path) -> None:
    psnr = {}
    for steps in ("0", "3"):
        report = tmp_path / steps
        text = evaluate("--checkpoint", checkpoints[0], "--search", steps, "--metrics", "psnr", "--report", report)
        assert ("tokens looked for by 3 steps of gradient a frame" in text) == (steps == "3")
        record = json.loads((report / "report.json").read_text())
        assert record["search_steps"] == record["models"]["model"]["search_steps"] == int(steps)
        psnr[steps] = record["scores"]["model"]["psnr"]
    assert psnr["3"] > psnr["0"]


def test_one_checkpoint_as_json_has_its_facts_on_top(checkpoints: list[Path], tmp_path: Path) -> None:
    record = json.loads(evaluate("--checkpoint", checkpoints[0], "--json", "--report", tmp_path / "report"))
    assert {"checkpoint", "store", "split", "clips", "frames", "tokens_per_frame", "bits_per_frame"} <= set(record)
    assert {"entropy_bits_per_frame", "codebook", "frames_per_second", "scores"} <= set(record)
    assert set(record["scores"]) == {"model", "mean frame", "copy previous"}
    assert json.loads((tmp_path / "report" / "report.json").read_text())["scores"] == record["scores"]


def test_a_report_that_is_a_file_is_a_mistake(checkpoints: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file"):
        evaluate("--checkpoint", checkpoints[0], "--report", tmp_path / "file")


def test_only_the_metrics_asked_for_are_measured(checkpoints: list[Path]) -> None:
    record = json.loads(evaluate("--checkpoint", checkpoints[0], "--json", "--metrics", "SSIM, psnr"))
    assert set(record["scores"]["model"]) == {"psnr", "ssim"}
    result = CliRunner().invoke(app, ["eval", "--checkpoint", str(checkpoints[0]), "--metrics", "pnsr"])
    assert result.exit_code == 2
    assert "did you mean psnr?" in result.stderr
