"""A small checkpoint, a store of 32-pixel frames, and tokenizers without and with a context."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from codec_stores import SIZE, write_store
from segment_tokenizer import SegmentTokenizer

from vqtool.codec.encode_store import StoreEncoder
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer
from vqtool.data.store import FrameStore

TINY = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]",
    "model.quantizer.codebook_size=16", "model.quantizer.code_dim=4", "train.precision=fp32",
]  # fmt: skip


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`checkpoint("model.quantizer.codebook_size=8", ...)` is a folder of an untrained model with codes among data."""

    def make(*overrides: str, seed: int = 0) -> Path:
        config = load_config("tiny", [*TINY, *overrides])
        torch.manual_seed(seed)
        model = build_tokenizer(config.model)
        frames = torch.rand(4, 2, 3, config.model.resolution, config.model.resolution) * 2 - 1
        latents_NCHW = model.encode_latents(frames).detach()
        if model.quantizer.num_initial_vectors:
            model.quantizer.initialise(latents_NCHW.movedim(1, -1).flatten(0, -2))
        folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
        save_checkpoint(folder, model.state_dict(), config)
        return folder

    return make


@pytest.fixture(scope="session")
def tiny(checkpoint: Callable[..., Path]) -> LoadedTokenizer:
    """A tokenizer of single frames: 16 codes, 4 x 4 tokens."""
    return load_folder(checkpoint(), torch.device("cpu"))


@pytest.fixture(scope="session")
def segments(tiny: LoadedTokenizer) -> LoadedTokenizer:
    """A tokenizer with a context for every 4 frames; it lies where `tiny` does."""
    return LoadedTokenizer(SegmentTokenizer(SIZE).eval(), tiny.config, tiny.folder, torch.float32)


@pytest.fixture(params=["tiny", "segments"])
def tokenizer(request: pytest.FixtureRequest) -> LoadedTokenizer:
    """Each of the two."""
    found: LoadedTokenizer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def frame_store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """In two shards, the first of 38 frames."""
    return write_store(tmp_path_factory.mktemp("frames") / "store", 128 + 40 * SIZE * SIZE * 3)


@pytest.fixture
def token_folder(tokenizer: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path) -> Path:
    """The frame store as tokens of `tokenizer`."""
    StoreEncoder(tokenizer, frame_store, tmp_path / "tokens", "runs/tiny", batch_frames=10).run()
    return tmp_path / "tokens"
