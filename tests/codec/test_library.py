"""The library: every accepted form of frames, exact round trips, and one clear error for each mistake."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import segment_tokenizer
import torch
from codec_stores import SIZE, smooth_frames
from segment_tokenizer import SEGMENT

import vqtool
from vqtool.codec.clips import ClipTokens
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.frames import to_uint8
from vqtool.errors import CheckpointError, ConfigError, DataError


def parts(tokens: object) -> list[np.ndarray]:
    """The grids of what encode gave, as numpy."""
    grids = [tokens.frames, tokens.context] if isinstance(tokens, ClipTokens) else [tokens]
    return [grid.numpy() if isinstance(grid, torch.Tensor) else grid for grid in grids]


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, vqtool\nprint(*sys.modules)\nprint(callable(vqtool.load))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules, callable_ = output.rsplit("\n", 2)[:2]
    assert callable_ == "True"
    assert not {"torch", "numpy", "pydantic", "typer"} & set(modules.split())


def test_decoding_the_tokens_is_exactly_the_models_own_reconstruction(tokenizer: LoadedTokenizer) -> None:
    frames = np.stack([smooth_frames(6, 1), smooth_frames(6, 2)])
    floats = (torch.from_numpy(frames).movedim(-1, 2).float() - 127.5) / 127.5
    with torch.no_grad():
        own = tokenizer.model(floats).frames_BTCHW
    tokens = tokenizer.encode(floats)
    assert torch.equal(tokenizer.decode(tokens), own)
    assert np.array_equal(tokenizer.decode(tokenizer.encode(frames)), to_uint8(own))


def test_every_form_of_the_same_frames_gives_the_same_tokens(tokenizer: LoadedTokenizer) -> None:
    clip = smooth_frames(6, 3)
    floats = torch.from_numpy(clip).movedim(-1, 1).float() / 127.5 - 1
    expected = parts(tokenizer.encode(clip))
    assert expected[0].shape == (6, *tokenizer.layout.grid) and expected[0].dtype == np.int64
    if tokenizer.layout.context_grid:
        assert expected[1].shape == (2, 4, 4)
    for given in (torch.from_numpy(clip), floats, floats.double()):
        for part, want in zip(parts(tokenizer.encode(given)), expected, strict=True):
            assert np.array_equal(part, want)
    for given in (clip[None], torch.from_numpy(clip)[None], floats[None]):
        for part, want in zip(parts(tokenizer.encode(given)), expected, strict=True):
            assert np.array_equal(part, want[None])


def test_tokens_decode_to_the_form_that_they_have(tiny: LoadedTokenizer) -> None:
    tokens = tiny.encode(smooth_frames(3, 4))
    frames = tiny.decode(tokens.astype(np.uint16))
    assert frames.shape == (3, SIZE, SIZE, 3) and frames.dtype == np.uint8
    assert np.array_equal(tiny.decode(tokens[None]), frames[None])
    floats = tiny.decode(torch.from_numpy(tokens))
    assert floats.shape == (3, 3, SIZE, SIZE) and floats.dtype == torch.float32
    assert np.array_equal(to_uint8(floats[None])[0], frames)


def test_tokens_can_be_learnt_from(tiny: LoadedTokenizer) -> None:
    """They are ordinary tensors, which a second stage's gradient passes."""
    tokens = tiny.encode(torch.from_numpy(smooth_frames(2, 5)))
    embedding = torch.nn.Embedding(tiny.codebook_size, 4)
    embedding(tokens).sum().backward()
    assert embedding.weight.grad is not None


def test_the_codebook_has_the_code_of_each_token(tiny: LoadedTokenizer, segments: LoadedTokenizer) -> None:
    tokens = torch.arange(16).reshape(1, 4, 4)
    codes = tiny.model.quantizer.codes_from_tokens(tokens)[0].flatten(1).T
    assert np.array_equal(tiny.codebook(), codes.numpy())
    # Of the two quantizers, 5 x 5 x 5 and 7 x 7 x 3 levels, in the order of the tokens.
    assert segments.codebook().shape == (125 + 147, 3)
    assert np.array_equal(np.unique(segments.codebook()[:125]), np.array([-1, -0.5, 0, 0.5, 1], dtype=np.float32))
    assert len(np.unique(segments.codebook()[125:, 0])) == 7


@pytest.mark.parametrize("segment_frames", [1, 4, 12])
def test_it_finds_how_many_frames_share_a_context(
    segments: LoadedTokenizer, segment_frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_tokenizer, "SEGMENT", segment_frames)
    monkeypatch.setattr(segments.model, "segment_frames", segment_frames)
    fresh = LoadedTokenizer(segments.model, segments.config, segments.folder, segments.precision)
    assert (fresh.layout.segment_frames, fresh.layout.context_grid) == (segment_frames, (4, 4))
    assert [fresh.layout.num_segments(segment_frames * 2 + extra) for extra in (0, 1)] == [2, 3]


FRAMES = np.zeros((4, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (FRAMES[:, :16], "16 x 32 pixels, this tokenizer's are 32 x 32"),
        (FRAMES.astype(np.float32), "frames are float32"),
        (FRAMES[0], r"uint8 \(32, 32, 3\): expected"),
        (np.moveaxis(FRAMES, -1, 1), r"uint8 \(4, 3, 32, 32\): expected"),
        (FRAMES[:0], "no frame"),
        (FRAMES.tolist(), "a list"),
        (torch.zeros(4, SIZE, SIZE, 3), r"float32 \(4, 32, 32, 3\): expected"),
        (torch.full((1, 3, SIZE, SIZE), 1.5), r"must be in \[-1, 1\], these reach from 1.5 to 1.5"),
        (torch.full((1, 3, SIZE, SIZE), float("nan")), "from nan to nan"),
        (torch.zeros(4, SIZE, SIZE, 3, dtype=torch.int64), "int64"),
    ],
)
def test_wrong_frames_are_refused_in_one_message(tiny: LoadedTokenizer, frames: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tiny.encode(frames)


TOKENS = np.zeros((4, 4, 4), dtype=np.int64)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (TOKENS[:, :2], "tokens of a frame are 2 x 4, this tokenizer's are 4 x 4"),
        (TOKENS + 16, r"\[0, 16\)"),
        (TOKENS - 1, r"\[0, 16\)"),
        (TOKENS.astype(float), "float64"),
        (torch.zeros(4, 4, 4), "float32"),
        (TOKENS[0], r"int64 \(4, 4\): expected"),
        (TOKENS.tolist(), "a list"),
        (ClipTokens(TOKENS, TOKENS), "no context"),
    ],
)
def test_wrong_tokens_are_refused_in_one_message(tiny: LoadedTokenizer, tokens: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tiny.decode(tokens)


def test_a_context_must_fit_its_frames(segments: LoadedTokenizer) -> None:
    tokens = segments.encode(smooth_frames(SEGMENT + 1, 6))
    assert isinstance(tokens, ClipTokens)
    with pytest.raises(DataError, match="needs a context"):
        segments.decode(tokens.frames)
    with pytest.raises(DataError, match=r"context of 5 frames is \(2, 4, 4\)"):
        segments.decode(ClipTokens(tokens.frames, tokens.context[:1]))
    with pytest.raises(DataError, match="3 axes and their context 4"):
        segments.decode(ClipTokens(tokens.frames, tokens.context[None]))


def test_it_loads_what_a_checkpoint_name_means(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = checkpoint()
    assert vqtool.load(folder, "cpu").sha256 == vqtool.load(str(folder), "cpu").sha256
    with pytest.raises(CheckpointError, match="no checkpoint"):
        vqtool.load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        vqtool.load(tmp_path)
    with pytest.raises(ConfigError, match="--device mps"):
        vqtool.load(folder, "mps")
