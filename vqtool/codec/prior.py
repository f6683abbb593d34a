"""What is known of a tokenizer's tokens before a video: counts of each code, learned on the train split."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from vqtool.codec.alphabet import grids_of
from vqtool.codec.entropy import GridModel, TokenCoder
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.atomic import write_atomic
from vqtool.data import Frames
from vqtool.errors import CheckpointError

PRIOR_FILE = "prior.safetensors"
NO_PRIOR = bytes(8)
MAX_BYTES = 1 << 26

Prior = dict[str, NDArray[np.int64]]
"""Counts (K,) of all codes in `frames` and, where there is one, in the `context`."""


def load_prior(tokenizer: LoadedTokenizer) -> Prior:
    """The prior beside a tokenizer's weights; empty where none was learned.

    Raises:
        CheckpointError: damaged, or of another tokenizer.
    """
    path = tokenizer.folder / PRIOR_FILE
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        found = safetensors.numpy.load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged ({error}): remove it, or learn it again by vqtool prior") from error
    names = {"frames"} if tokenizer.layout.context_grid is None else {"frames", "context"}
    shape = (tokenizer.codebook_size,)
    if set(found) != names or any(
        part.shape != shape or part.dtype != np.int64 or part.min() < 0 or part.max() > 1 << 32
        for part in found.values()
    ):
        raise CheckpointError(f"{path} is not of this tokenizer: remove it, or learn it again by vqtool prior")
    return dict(found)


def prior_id(prior: Prior) -> bytes:
    """Eight bytes that tell priors apart; zeros for none."""
    if not prior:
        return NO_PRIOR
    digest = hashlib.sha256()
    for name in sorted(prior):
        digest.update(name.encode() + b"\n" + prior[name].astype("<i8").tobytes())
    return digest.digest()[:8]


def learn_prior(tokenizer: LoadedTokenizer, clips: Iterable[Frames]) -> Prior:
    """Count the codes that are new at their position in clips, uint8 (T, R, R, 3); each clip is a video of its own."""
    frames, context = grids_of(tokenizer)
    size = tokenizer.codebook_size
    prior = {"frames": np.zeros(size, dtype=np.int64)}
    if context is not None:
        prior["context"] = np.zeros(size, dtype=np.int64)
    for clip in clips:
        coder = TokenCoder(frames, context, tokenizer.layout.segment_frames)
        tokens = tokenizer.encode(clip)
        if isinstance(tokens, np.ndarray):
            coder.encode(tokens)
        else:
            coder.encode(tokens.frames, tokens.context)
        _add(prior["frames"], coder.frames)
        if coder.context is not None:
            _add(prior["context"], coder.context)
    return prior


def check_no_prior(tokenizer: LoadedTokenizer) -> None:
    """Raises CheckpointError where a prior is beside the tokenizer's weights: another would make files useless."""
    path = tokenizer.folder / PRIOR_FILE
    if path.exists():
        raise CheckpointError(
            f"{path} is there already, and the .vqt files that were encoded with it need it: remove it to learn another"
        )


def save_prior(tokenizer: LoadedTokenizer, prior: Prior) -> Path:
    """Put a prior beside the tokenizer's weights; gives the file."""
    path = tokenizer.folder / PRIOR_FILE
    write_atomic(path, safetensors.numpy.save(prior))
    return path


def _add(counts: NDArray[np.int64], model: GridModel) -> None:
    for alphabet, values in zip(model.grid.alphabets, model.values, strict=True):
        counts[alphabet.first : alphabet.first + alphabet.size] += values.seen
