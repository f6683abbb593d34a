"""Which tokenizer it is: a hash that a checkpoint shares with its published copy."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from vqtool.core.checkpoint import CONFIG_FILE, MODEL_FILE, load_config_of
from vqtool.core.config_file import read_toml
from vqtool.errors import CheckpointError


def tokenizer_sha256(folder: Path) -> str:
    """The SHA-256 of a checkpoint's weights and of the `[model]` table of its config, in hexadecimal digits.

    It depends on the names, types, shapes and values of the tensors and on the settings as they are written in the
    file: not on training state, other sections, comments, or the order of either.

    Raises:
        CheckpointError: not a checkpoint, or a damaged one.
    """
    load_config_of(folder)
    digest = hashlib.sha256(b"vqtool tokenizer 1\n")
    settings = read_toml(folder / CONFIG_FILE).get("model", {})
    digest.update(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    try:
        with safe_open(folder / MODEL_FILE, framework="pt") as weights:
            for name in sorted(weights.keys()):
                tensor = weights.get_tensor(name).contiguous()
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / MODEL_FILE} is damaged ({error}); use an earlier checkpoint") from error
    return digest.hexdigest()
