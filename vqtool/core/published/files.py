"""The tensors in a checkpoint file of another program, read without running anything that is in it."""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from vqtool.core.text import clean
from vqtool.errors import CheckpointError

MAX_DEPTH = 4
"""Mappings within mappings that are looked into."""
REFUSED_CLASS = re.compile(r"GLOBAL (\S+)")
"""How the restricted unpickler names what it refuses."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a torch or safetensors file, on the CPU, by name; the names of mappings around them go before.

    So `{"state_dict": {"quant_conv.bias": ...}}` gives `state_dict.quant_conv.bias`. What is not a tensor is left out.

    Raises:
        CheckpointError: no such file, damaged, or a pickle that holds objects of other classes.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint file {path}" + (" (it is a folder)" if path.is_dir() else ""))
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return dict(_flattened(_load(path), "", MAX_DEPTH))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {clean(error)}") from error
    return tensors


def _load(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the age of the format
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Any exception: the restricted unpickler raises nearly all of them on a hostile or damaged file.
        foreign = REFUSED_CLASS.search(str(error))
        raise CheckpointError(_foreign(path, foreign[1]) if foreign else _damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    # What the unpickler says is its internals, or torch's advice to load without restrictions.
    known = isinstance(error, RuntimeError | OSError) and str(error).partition("\n")[0]
    return f"{path} is no whole torch checkpoint: {clean(known or 'not what torch.save writes', max_characters=200)}"


def _foreign(path: Path, name: str) -> str:
    return (
        f"{path} holds more than tensors: {clean(name, max_characters=100)}. Loading it could run code, so vqtool "
        "never does. If you trust the file, save its weights alone where its own program runs, and import those:\n"
        "  python -c \"import sys, torch; c = torch.load(sys.argv[1], map_location='cpu', weights_only=False); "
        "torch.save(c.get('state_dict') or c['model_state_dict'], sys.argv[2])\" FILE weights.pt"
    )


def _flattened(value: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        if value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized:
            yield prefix, value
    elif isinstance(value, Mapping) and depth:
        for name, part in value.items():
            yield from _flattened(part, f"{prefix}.{name}" if prefix else str(name), depth - 1)
