"""`vqtool reconstruct --input` with many files, folders and a pipe."""

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from vqtool.cli import main
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.metrics import psnr
from vqtool.core.tokenizers import build_tokenizer

TINY = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]",
    "model.quantizer.codebook_size=16", "model.quantizer.code_dim=4", "train.precision=fp32",
]  # fmt: skip
BITS = 16 * 4


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkpoint `model`, and videos `a.gif` of 4 frames and `more/b.gif` of 2."""
    config = load_config("tiny", TINY)
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "model", build_tokenizer(config.model).state_dict(), config)
    noise = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    (tmp_path / "more").mkdir()
    iio.imwrite(tmp_path / "a.gif", noise, duration=100)
    iio.imwrite(tmp_path / "more" / "b.gif", noise[2:], duration=100)
    return tmp_path


def reconstruct(folder: Path, *arguments: str, stdin: object = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in `folder`."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["vqtool", "reconstruct", "--checkpoint", "model", "--device", "cpu", *arguments])
        patch.setattr(sys, "stdin", stdin)
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    return (
        code,
        stdout.getvalue(),
        "".join(
            line for line in stderr.getvalue().splitlines(keepends=True) if not line.startswith("reconstructing: ")
        ),
    )


def test_files_and_folders_as_a_shell_gives_them(place: Path) -> None:
    code, stdout, stderr = reconstruct(place, "--output", "out", "--scale", "1", "--input", "a.gif", "more", "a.gif")
    assert (code, stderr) == (0, "")
    assert [line.split(",")[0] for line in stdout.splitlines()] == ["a: 4 frames", "b: 2 frames", "wrote out/a.gif"]
    assert sorted(path.name for path in (place / "out").iterdir()) == sorted(
        f"{name}.{suffix}" for name in "ab" for suffix in ("gif", "mp4", "png")
    )


def test_bad_inputs_are_named_and_the_others_done(place: Path) -> None:
    (place / "empty").mkdir()
    (place / "more" / "c.mp4").write_text("no video")
    arguments = ["--input", "empty", "--input", "more", "--input", "none.mp4", "--output", "all.gif", "--scale", "1"]
    code, stdout, stderr = reconstruct(place, *arguments)
    assert code == 1
    assert stdout.startswith("b: 2 frames, PSNR ") and stdout.endswith("\nwrote all.gif\n")
    empty, damaged, missing, summary = stderr.splitlines()
    assert empty.startswith("error: no video in empty: ")
    assert damaged.startswith("error: cannot read video more/c.mp4: not a video")
    assert missing == "error: cannot read video none.mp4: No such file or directory"
    assert summary == "error: 3 of 4 inputs could not be read (named above); the others are done"
    assert iio.imread(place / "all.gif").shape[0] == 2


def test_nothing_is_written_where_no_input_can_be_read(place: Path) -> None:
    code, stdout, stderr = reconstruct(place, "--input", "x.mp4", "y.mp4", "--output", "out")
    assert (code, stdout) == (1, "")
    assert stderr.splitlines()[-1] == "error: 2 of 2 inputs could not be read (named above); nothing was written"
    assert reconstruct(place, "--input", "x.mp4", "--output", "out") == (
        1, "", "error: cannot read video x.mp4: No such file or directory\n",
    )  # fmt: skip
    assert not (place / "out").exists()


def test_a_video_comes_through_a_pipe_but_not_from_a_terminal(place: Path) -> None:
    with (place / "a.gif").open("rb") as stream, io.TextIOWrapper(stream) as piped:
        code, stdout, stderr = reconstruct(place, "--input", "-", "--output", "piped.gif", stdin=piped)
    assert (code, stderr) == (0, "")
    assert stdout == reconstruct(place, "--input", "a.gif", "--output", "named.gif")[1].replace("a:", "stdin:").replace(
        "named", "piped"
    )
    assert (place / "piped.gif").read_bytes() == (place / "named.gif").read_bytes()
    master, slave = os.openpty()
    with os.fdopen(slave) as terminal:
        code, _, stderr = reconstruct(place, "--input", "-", "--output", "x.gif", stdin=terminal)
    os.close(master)
    assert code == 1 and stderr.startswith("error: cannot read stdin: nothing is piped in")


def test_a_caption_says_the_bits_and_the_psnr_that_are_printed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are caught on their way into the picture, which is as high as without them and a line more."""
    import vqtool
    from vqtool.evaluation import write_pairs

    words: list[list[str]] = []

    def record(frames: np.ndarray, parts: list[str]) -> np.ndarray:
        words.append(parts)
        return frames

    assert reconstruct(place, "--input", "a.gif", "--output", "plain.gif")[0] == 0
    assert reconstruct(place, "--input", "a.gif", "--output", "told.gif", "--caption")[0] == 0
    plain, told = iio.imread(place / "plain.gif"), iio.imread(place / "told.gif")
    assert told.shape[2] == plain.shape[2] and 10 < told.shape[1] - plain.shape[1] < 40
    monkeypatch.setattr(write_pairs, "add_caption", record)
    _, stdout, _ = reconstruct(place, "--input", "a.gif", "--output", "told.gif", "--caption")
    tokenizer = vqtool.load(place / "model", "cpu")
    real = iio.imread(place / "a.gif")
    fake = tokenizer.decode(tokenizer.encode(real))
    pair = [torch.from_numpy(np.moveaxis(frames, -1, 1)) / 255 for frames in (real, fake)]
    expected = f"PSNR {float(psnr(*pair).mean()):.2f} dB"
    assert words == [[f"{BITS}.0 bits/frame", expected]]
    assert stdout.startswith(f"a: 4 frames, {expected}\n")
