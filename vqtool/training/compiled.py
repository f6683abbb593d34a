"""Encoder and decoder compiled by torch.compile, on a GPU; the quantizer, losses and evaluation stay as they are."""

import os
import shutil
from importlib.util import find_spec

import torch

from vqtool.core.config import LossConfig
from vqtool.core.tokenizers import Tokenizer
from vqtool.errors import ConfigError

NETWORKS = ("encoder", "decoder")
"""What tokenizers call the parts that are compiled."""


def check_compile(device: torch.device, loss: LossConfig) -> None:
    """Find out whether `train.compile` makes sense and can work.

    Raises:
        ConfigError: on a CPU, beside a discriminator, or without the compilers that torch calls.
    """
    off = "or set train.compile=false"
    if device.type != "cuda":
        raise ConfigError(
            "train.compile is for GPUs: on a CPU a compiled step takes 1.1 to 1.6 times as long as with vqtool's own "
            "layers, after minutes of compiling (benchmarks/results/2026-11-23-compile.md): set train.compile=false"
        )
    if loss.adversarial_weight > 0:
        raise ConfigError(
            "train.compile does not go with loss.adversarial_weight: its gradient passes the decoder twice, a compiled "
            "decoder forgets what it needs after the first; set one of them to false or 0"
        )
    if find_spec("triton") is None:
        raise ConfigError(f"train.compile needs the package triton: pip install triton, {off}")
    if not any(map(shutil.which, filter(None, (os.environ.get("CC"), "gcc", "clang")))):
        raise ConfigError(
            f"train.compile needs a C compiler: install gcc or clang (or name one in the variable CC), {off}"
        )


def compile_networks(model: Tokenizer, backend: str = "inductor") -> None:
    """Compile the networks of `model` in place, at their first use; names in its state dict stay what they are."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in NETWORKS:
            module.compile(backend=backend)
