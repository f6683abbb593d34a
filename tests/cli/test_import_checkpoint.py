"""`vqtool import-checkpoint` as a user types it, and the commands that take what it makes."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from vqtool.cli.app import app
from vqtool.core.config import ClassicConfig
from vqtool.core.tokenizers import build_tokenizer
from vqtool.errors import CheckpointError


def vqtool(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network's state dict, as another program might save it."""
    config = ClassicConfig(
        resolution=32, channels=32, channel_multipliers=(1, 1), num_res_blocks=1, attention_resolutions=(16,)
    )
    ours = ("quantize.usage", "quantize.initialised")
    state = {name: tensor for name, tensor in build_tokenizer(config).state_dict().items() if name not in ours}
    path = tmp_path_factory.mktemp("published") / "epoch=3.ckpt"
    torch.save({"epoch": 3, "state_dict": state | {"loss.logvar": torch.zeros(())}}, path)
    return path


def test_the_folder_is_printed_and_other_commands_take_it(
    published: Path, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = vqtool("import-checkpoint", published, "--resolution", "32")
    assert (result.exit_code, result.stdout) == (0, "epoch=3\n"), result.output
    assert "tensors fit: 32x32 frames, 256 tokens each" in result.stderr
    assert "note: taken from state_dict" in result.stderr
    assert "loss.logvar (1)" in result.stderr
    scores = vqtool("eval", "--checkpoint", "epoch=3", "--data", small_store, "--split", "test", "--metrics", "psnr",
                    "--set", "eval.clip_frames=4", "--json")  # fmt: skip
    assert scores.exit_code == 0, scores.output
    assert json.loads(scores.stdout)["scores"]["model"]["psnr"] > 0
    iio.imwrite("noise.mp4", np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8), fps=5)
    pictures = vqtool("reconstruct", "--checkpoint", "epoch=3", "--input", "noise.mp4", "--output", "noise.png")
    assert "noise: 4 frames, PSNR" in pictures.stdout, pictures.output
    assert Path("noise.png").is_file()


def test_a_size_that_had_to_be_assumed_is_said(published: Path, tmp_path: Path) -> None:
    result = vqtool("import-checkpoint", published, "--output", tmp_path / "out")
    assert "note: assumed frames of 256x256 pixels" in result.stderr


def test_a_second_import_does_not_overwrite(published: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = vqtool("import-checkpoint", published, "-o", tmp_path / "out")
    assert "exists already" in str(result.exception)


def test_a_file_that_is_no_checkpoint_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "notes.ckpt").write_text("hello")
    result = vqtool("import-checkpoint", tmp_path / "notes.ckpt", "-o", tmp_path / "out")
    assert isinstance(result.exception, CheckpointError)
    assert "is no whole torch checkpoint: not what torch.save writes" in str(result.exception)
