"""`vqtool encode VIDEO`, `decode FILE.vqt` and `prior`, as a user runs them."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from test_commands import vqtool

from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of 32-pixel frames with fixed levels as codes."""
    settings = ["model.kind=patch", "model.patch_size=4", "model.resolution=32", "model.channels=8"]
    config = load_config(None, [*settings, "model.channel_multipliers=[1,2]", "model.quantizer.kind=fsq"])
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    save_checkpoint(folder, build_tokenizer(config.model).state_dict(), config)
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Nine frames of noise, 40 x 48 pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 40, 48, 3), dtype=np.uint8)
    iio.imwrite(tmp_path / "in.mp4", noise, plugin="pyav", codec="libx264", fps=10)
    return tmp_path / "in.mp4"


def test_encode_and_decode(checkpoint: Path, video: Path, small_store: Path, tmp_path: Path) -> None:
    learned = vqtool("prior", "--checkpoint", checkpoint, "--data", small_store, "--clip-frames", 4)
    assert (learned.returncode, learned.stdout) == (0, f"wrote {checkpoint / 'prior.safetensors'}\n"), learned.stderr
    output = tmp_path / "out.vqt"
    encoded = vqtool("encode", video, "--tile", "--checkpoint", checkpoint, "--output", output)
    assert encoded.returncode == 0, encoded.stderr
    size = output.stat().st_size
    assert encoded.stdout == (
        f"{output}: 9 frames of 48 x 40 pixels, {size:,} bytes, {8 * size / 9:,.1f} bits a frame\n"
    )
    for name in ("a.mp4", "a.gif", "a.webp", "frames"):
        decoded = vqtool("decode", output, "--checkpoint", checkpoint, "--output", tmp_path / name)
        assert decoded.stdout == f"{tmp_path / name}: 9 frames of 48 x 40 pixels at 10 frames/s\n", decoded.stderr
    assert iio.imread(tmp_path / "a.gif").shape == (9, 40, 48, 3)
    assert len(list((tmp_path / "frames").iterdir())) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "{video}", "--output", "out.mp4"], "error: --output out.mp4: expected a file ending in .vqt\n"),
        (
            ["encode", "none.mp4", "--output", "out.vqt"],
            "error: cannot read video none.mp4: No such file",
        ),
        (["decode", "{video}", "--output", "out.gif"], "error: cannot decode {video}: it is not a .vqt file\n"),
        (
            ["decode", "{video}", "--output", "out.avi"],
            "error: --output out.avi: expected a folder or a file",
        ),
    ],
)
def test_mistakes(arguments: list[str], message: str, checkpoint: Path, video: Path, tmp_path: Path) -> None:
    given = [argument.format(video=video) for argument in arguments]
    result = vqtool(*given, "--checkpoint", checkpoint, folder=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(message.format(video=video))
    assert result.stderr.count("\n") == 1
