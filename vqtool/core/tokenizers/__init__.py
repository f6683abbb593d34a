"""Tokenizers: frames to tokens and back. A kind is a file here, a section in `core/config/model.py`, an arm below."""

from typing import assert_never

from vqtool.core.config import ClassicConfig, ClipConfig, ModelConfig, PatchConfig
from vqtool.core.tokenizers.base import Reconstruction, Stage, Tokenizer, Tokens
from vqtool.core.tokenizers.classic import VQVAE
from vqtool.core.tokenizers.clip import ClipTokenizer
from vqtool.core.tokenizers.frame import FrameTokenizer
from vqtool.core.tokenizers.patch import PatchTokenizer

__all__ = ["FrameTokenizer", "Reconstruction", "Stage", "Tokenizer", "Tokens", "build_tokenizer"]


def build_tokenizer(config: ModelConfig) -> Tokenizer:
    """The tokenizer that `config` describes, with random weights."""
    match config:
        case ClassicConfig():
            return VQVAE(config)
        case PatchConfig():
            return PatchTokenizer(config)
        case ClipConfig():
            return ClipTokenizer(config)
        case _:
            assert_never(config)
