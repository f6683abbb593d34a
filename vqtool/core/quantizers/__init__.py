"""Quantizers: latents to codebook entries. A new one is a file here, a section in `core/config.py` and an arm below."""

from typing import assert_never

from vqtool.core.config import EmaConfig, VqConfig
from vqtool.core.quantizers.base import Quantized, Quantizer
from vqtool.core.quantizers.ema import EmaQuantizer
from vqtool.core.quantizers.vq import VqQuantizer

__all__ = ["Quantized", "Quantizer", "build_quantizer"]


def build_quantizer(config: VqConfig | EmaConfig) -> Quantizer:
    """The quantizer that `config` describes."""
    match config:
        case VqConfig():
            return VqQuantizer(config)
        case EmaConfig():
            return EmaQuantizer(config)
        case _:
            assert_never(config)
