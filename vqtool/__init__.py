"""vqtool: learn to compress robot video frames into a few discrete tokens and to reconstruct them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from vqtool.codec.tokenizer import LoadedTokenizer

__version__ = "0.1.0"


def load(path: str | Path, device: str = "auto") -> LoadedTokenizer:
    """A trained tokenizer, ready to `encode(frames)` and `decode(tokens)`.

    Args:
        path: A run folder (its latest checkpoint), `RUN:best-psnr`, `RUN:step-00000100`, a checkpoint folder, or a
            folder that `vqtool publish` wrote.
        device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        CheckpointError: no checkpoint there, or a damaged one.
        ConfigError: no such device.
    """
    # Importing torch takes seconds, and whoever only reads stores or the version needs none of it.
    from vqtool.codec.tokenizer import load as load_tokenizer

    return load_tokenizer(path, device)
