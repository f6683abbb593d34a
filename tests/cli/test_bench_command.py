"""`vqtool bench rd` on a small store."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import vqtool
from vqtool.cli.app import app
from vqtool.codec.alphabet import grids_of
from vqtool.codec.entropy import TokenCoder
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config import PreprocessConfig
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer
from vqtool.data.store import FrameStore
from vqtool.data.windows import evaluation_windows
from vqtool.errors import VqtoolError
from vqtool.evaluation.codecs import published_codecs
from vqtool.preprocessing.pipeline import preprocess

TINY = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]", "eval.clip_frames=4",
    "model.quantizer.codebook_size=16", "model.quantizer.code_dim=4", "train.precision=fp32",
]  # fmt: skip


@pytest.fixture
def checkpoint(small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    torch.manual_seed(0)
    config = load_config("tiny", [*TINY, f"data.store={small_store}"])
    save_checkpoint(tmp_path / "checkpoint", build_tokenizer(config.model).state_dict(), config)
    return tmp_path / "checkpoint"


def bench(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["bench", "rd", "--device", "cpu", "--split", "train", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_bits_are_those_of_the_tokens_and_of_their_code(checkpoint: Path, small_store: Path, tmp_path: Path) -> None:
    record = json.loads(bench("--checkpoint", checkpoint, "--clips", "2", "--json", "--output", tmp_path / "rd"))
    points = {(point["name"], point["setting"]): point for point in record["points"]}
    assert (record["clips"], record["clip_frames"]) == (2, 4)
    assert points["vqtool", "fixed length"]["bits_per_frame"] == 16 * 4
    tokenizer = vqtool.load(checkpoint, "cpu")
    windows = evaluation_windows(FrameStore.open(small_store), "train", 4, 2)
    coded = [
        TokenCoder(*grids_of(tokenizer), 0).encode(tokenizer.encode(windows.gather(np.array([index]))[0]))
        for index in range(2)
    ]
    assert points["vqtool", "entropy-coded"]["bits_per_frame"] == 8 * sum(map(len, coded)) / 8
    assert points["vqtool", "entropy-coded"]["scores"] == points["vqtool", "fixed length"]["scores"]
    assert {name for name, _ in points} >= {"x264", "JPEG", "WebP", "mean frame", "copy previous"}
    assert points["mean frame", ""]["bits_per_frame"] is None
    rows = list(csv.DictReader((tmp_path / "rd" / "rd.csv").open()))
    assert [row["name"] for row in rows] == [point["name"] for point in record["points"]]
    assert sorted(path.name for path in (tmp_path / "rd").iterdir()) == ["rd.csv", "rd.json", "rd.png"]


def test_the_table_fits_80_columns_and_ends_with_a_verdict_for_both_kinds_of_bits(checkpoint: Path) -> None:
    text = bench("--checkpoint", checkpoint, "--clips", "1")
    table, *verdicts = text.split("vqtool entropy-coded (")
    assert max(map(len, table.splitlines())) <= 80
    assert len(verdicts) == 1
    assert "vqtool fixed length (64.0 bits a frame" in verdicts[0]
    assert "nearest in bits" in verdicts[0]


@pytest.mark.parametrize(
    ("resolution", "videos"),
    [(8, set()), (36, {"x264"}), (64, {"x264", "x265", "SVT-AV1"}), (65, set()), (66, {"x264", "x265", "SVT-AV1"})],
)
def test_frames_that_video_codecs_do_not_take_leave_them_out(resolution: int, videos: set[str]) -> None:
    clip = np.zeros((2, resolution, resolution, 3), dtype=np.uint8)
    names = {name for name, _ in published_codecs(resolution)}
    assert names == {"JPEG", "WebP"} | videos
    for codec in published_codecs(resolution).values():
        assert codec(clip).frames.shape == clip.shape


def test_frames_of_another_size_are_a_mistake_that_says_so(
    checkpoint: Path, small_robonet: Path, tmp_path: Path
) -> None:
    settings = {"input": str(small_robonet), "size": 16, "min_frames": 8, "val": 1, "test": 1, "workers": 1}
    preprocess(PreprocessConfig(**settings, output=str(tmp_path / "store")))
    with pytest.raises(VqtoolError, match="has frames of 16 pixels"):
        bench("--checkpoint", checkpoint, "--data", tmp_path / "store")
