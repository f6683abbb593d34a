"""Ctrl-C in encode and decode: one line, exit code 130, and nothing half-written that is taken for whole."""

import shutil
import signal
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from test_token_commands import TINY, vqtool

from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer
from vqtool.data.store import FrameStore


@pytest.fixture(scope="module")
def made(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint `model` and a video `in.mp4` of 150 frames: three batches."""
    folder = tmp_path_factory.mktemp("made")
    config = load_config("tiny", [*TINY, f"data.store={small_store}"])
    torch.manual_seed(0)
    save_checkpoint(folder / "model", build_tokenizer(config.model).state_dict(), config)
    noise = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), dtype=np.uint8)
    iio.imwrite(folder / "in.mp4", noise, plugin="pyav", codec="libx264", fps=10)
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of those for each test."""
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def interrupted(folder: Path, method: str, call: int, *arguments: str | Path) -> tuple[int, str, str]:
    """The command, with SIGINT just before the tokenizer's `method` is called for the `call`-th time."""
    original = getattr(LoadedTokenizer, method)
    calls = 0

    def counted(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            signal.raise_signal(signal.SIGINT)
        return original(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LoadedTokenizer, method, counted)
        code, stdout, stderr = vqtool(folder, *arguments, "--device", "cpu")
    lines = [line for line in stderr.splitlines() if not line.startswith(("encoding: ", "decoding: "))]
    return code, stdout, "\n".join(lines)


def test_a_token_store_keeps_what_is_done_and_goes_on_to_the_same_bytes(place: Path, small_store: Path) -> None:
    encode = ["encode", "--checkpoint", "model", "--batch-frames", "8"]
    total = sum(shard.frames for shard in FrameStore.open(small_store).info.shards)
    # Call 1 asks for the shapes of the tokens. One batch more than is written is encoded ahead.
    code, stdout, stderr = interrupted(place, "own_tokens", 5, *encode, "--output", "tokens")
    assert (code, stdout) == (130, "")
    assert stderr == (
        f"interrupted: 16 of {total} frames are encoded and kept in tokens; the same command continues from there"
    )
    code, _, refused = vqtool(place, "tokens", "verify", "tokens")
    assert code == 1 and "incomplete: run the vqtool encode that writes it again" in refused
    code, stdout, stderr = vqtool(place, *encode, "--output", "tokens", "--device", "cpu")
    assert code == 0, stderr
    assert "and 16 frames that were done before" in stdout
    assert vqtool(place, *encode, "--output", "whole", "--device", "cpu")[0] == 0
    for file in (place / "whole").iterdir():
        assert (place / "tokens" / file.name).read_bytes() == file.read_bytes()
    assert len(list((place / "tokens").iterdir())) == len(list((place / "whole").iterdir()))


def test_an_interrupt_before_the_work_begins_says_so(place: Path) -> None:
    for output in ("tokens", "out.vqt"):
        arguments = ["in.mp4"] if output.endswith(".vqt") else []
        there = sorted(place.iterdir())
        code, stdout, stderr = interrupted(
            place, "own_tokens", 1, "encode", *arguments, "--checkpoint", "model", "--output", output
        )
        assert (code, stdout) == (130, "")
        assert stderr == "interrupted: nothing was written yet; the same command does it all"
        assert sorted(place.iterdir()) == there


@pytest.mark.parametrize("before", [False, True])
def test_a_vqt_is_whole_or_as_it_was(place: Path, before: bool) -> None:
    encode = ["encode", "in.mp4", "--checkpoint", "model", "--output", "out.vqt"]
    if before:
        (place / "out.vqt").write_bytes(b"older")
    there = sorted(place.iterdir())
    code, stdout, stderr = interrupted(place, "own_tokens", 3, *encode)
    state = "is as it was before" if before else "was not written"
    assert (code, stdout) == (130, "")
    assert stderr == f"interrupted: out.vqt {state}; the same command starts over"
    assert sorted(place.iterdir()) == there
    assert not before or (place / "out.vqt").read_bytes() == b"older"


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "out.webp", "frames"])
def test_a_decoded_video_is_whole_or_absent(place: Path, name: str) -> None:
    assert vqtool(place, "encode", "in.mp4", "--checkpoint", "model", "--output", "in.vqt")[0] == 0
    there = sorted(place.iterdir())
    decode = ["decode", "in.vqt", "--checkpoint", "model", "--output", name]
    code, stdout, stderr = interrupted(place, "decode_clips", 2, *decode)
    assert (code, stdout) == (130, "")
    assert stderr == f"interrupted: {name} was not written; the same command starts over"
    assert sorted(place.iterdir()) == there


def test_clips_that_are_decoded_stay_whole(place: Path) -> None:
    assert vqtool(place, "encode", "--checkpoint", "model", "--output", "tokens", "--device", "cpu")[0] == 0
    decode = ["decode", "tokens", "--split", "train", "--clips", "3", "--format"]
    code, _, stderr = interrupted(place, "decode_clips", 3, *decode, "gif", "--output", "gifs")
    assert code == 130
    assert stderr == ("interrupted: 2 of 3 clips are in gifs, each of them whole; the same command writes all again")
    assert len(list((place / "gifs").iterdir())) == 2
    assert vqtool(place, *decode, "gif", "--output", "gifs", "--device", "cpu")[0] == 0
    _, _, stderr = interrupted(place, "decode_clips", 2, *decode, "png", "--output", "pngs")
    assert stderr.startswith(
        "interrupted: 1 of 3 clips are in pngs, each of them whole; remove pngs, or name the others"
    )
    code, _, stderr = vqtool(place, *decode, "png", "--output", "pngs", "--device", "cpu")
    assert code == 1 and "exists already: remove it or choose another --output" in stderr
    _, _, stderr = interrupted(place, "decode_clips", 1, *decode, "png", "--output", "other")
    assert stderr == "interrupted: nothing is in other yet; the same command starts over"
    assert list((place / "other").iterdir()) == []
