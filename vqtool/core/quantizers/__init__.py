"""Quantizers: latents to codebook entries. A new one: a file here, its section in `core/config/`, an arm below."""

from typing import assert_never

from vqtool.core.config import (
    BsqConfig,
    EmaConfig,
    FsqConfig,
    GroupedConfig,
    QuantizerConfig,
    ResidualConfig,
    SimVqConfig,
    VqConfig,
)
from vqtool.core.quantizers.base import Quantized, Quantizer
from vqtool.core.quantizers.bsq import BsqQuantizer
from vqtool.core.quantizers.ema import EmaQuantizer
from vqtool.core.quantizers.fsq import FsqQuantizer
from vqtool.core.quantizers.grouped import GroupedQuantizer
from vqtool.core.quantizers.residual import ResidualQuantizer
from vqtool.core.quantizers.simvq import SimVqQuantizer
from vqtool.core.quantizers.vq import VqQuantizer

__all__ = ["Quantized", "Quantizer", "build_quantizer"]


def build_quantizer(config: QuantizerConfig) -> Quantizer:
    """The quantizer that `config` describes."""
    match config:
        case VqConfig():
            return VqQuantizer(config)
        case EmaConfig():
            return EmaQuantizer(config)
        case SimVqConfig():
            return SimVqQuantizer(config)
        case FsqConfig():
            return FsqQuantizer(config)
        case BsqConfig():
            return BsqQuantizer(config)
        case ResidualConfig():
            return ResidualQuantizer(config, [build_quantizer(config.of) for _ in range(config.num_levels)])
        case GroupedConfig():
            return GroupedQuantizer(config, [build_quantizer(config.of) for _ in range(config.num_groups)])
        case _:
            assert_never(config)
