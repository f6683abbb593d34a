"""Checkpoint folders: `model.safetensors`, `config.toml`, their `checksums.json` and, to train on from, `state.pt`.

A folder without `state.pt` is a published tokenizer: nothing in it is a pickle.
"""

import hashlib
import json
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from vqtool.core.atomic import atomic_folder, explained_os_errors, explained_refusals
from vqtool.core.config import Config
from vqtool.core.config_file import dump_config, load_config
from vqtool.core.device import place
from vqtool.core.tokenizers import Tokenizer, build_tokenizer
from vqtool.errors import CheckpointError, ConfigError

MODEL_FILE = "model.safetensors"
CONFIG_FILE = "config.toml"
STATE_FILE = "state.pt"
CHECKSUMS_FILE = "checksums.json"


def save_checkpoint(
    folder: Path, weights: Mapping[str, Tensor], config: Config, state: Mapping[str, Any] | None = None
) -> None:
    """Write a checkpoint folder, whole or not at all.

    Args:
        folder: Where; must not exist.
        weights: State dict of the model to evaluate.
        config: The resolved config.
        state: What an exact resume needs: tensors, numbers, strings, lists and dicts only.

    Raises:
        VqtoolError: the folder exists, no space left, or it cannot be written.
    """
    with atomic_folder(folder) as temporary, explained_os_errors(folder):
        tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in weights.items()}
        (temporary / CONFIG_FILE).write_text(dump_config(config), encoding="utf-8")
        # safetensors reports a full disk as an error of its own kind, so its bytes are made first and written here.
        (temporary / MODEL_FILE).write_bytes(safetensors.torch.save(tensors, metadata={"format": "vqtool-1"}))
        if state is not None:
            _save_state(temporary / STATE_FILE, state)
        checksums = {file.name: _sha256(file) for file in sorted(temporary.iterdir())}
        (temporary / CHECKSUMS_FILE).write_text(json.dumps(checksums, indent=2) + "\n", encoding="utf-8")


def _save_state(path: Path, state: Mapping[str, Any]) -> None:
    try:
        with path.open("wb") as stream:
            torch.save(dict(state), stream)
    except RuntimeError as error:
        # torch covers a refused write with an error about its archive.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def verify_checkpoint(folder: Path, names: Collection[str] | None = None) -> None:
    """Compare the files of a checkpoint folder, or those called `names`, with the sha256 written beside them.

    A checkpoint without `checksums.json`, as others may publish it, passes.

    Raises:
        CheckpointError: a file is missing or altered; names it.
    """
    path = folder / CHECKSUMS_FILE
    if not path.is_file():
        return
    try:
        with explained_refusals(CheckpointError):
            checksums = dict(json.loads(path.read_bytes()))
        wanted = {name: sha256 for name, sha256 in checksums.items() if names is None or name in names}
        altered = [name for name, sha256 in wanted.items() if _sha256(folder / Path(name).name) != sha256]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"checkpoint {folder} is damaged: {error}; use an earlier checkpoint") from error
    if altered:
        raise CheckpointError(
            f"checkpoint {folder} is damaged: {', '.join(altered)} changed since it was written; use an earlier "
            f"checkpoint or a copy (or remove {CHECKSUMS_FILE} there, if the change is your own)"
        )


def _sha256(path: Path) -> str:
    with explained_refusals(CheckpointError), path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_config_of(folder: Path) -> Config:
    """The config of a checkpoint folder.

    Raises:
        CheckpointError: not a checkpoint folder, or its config is damaged.
    """
    for name in (CONFIG_FILE, MODEL_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is not a checkpoint: it has no {name} (give a run folder, or a folder in its checkpoints/)"
            )
    try:
        return load_config(str(folder / CONFIG_FILE))
    except ConfigError as error:
        raise CheckpointError(f"the config of checkpoint {folder} cannot be used: {error}") from error


def load_model(folder: Path, device: torch.device) -> tuple[Tokenizer, Config]:
    """The model of a checkpoint folder, in evaluation mode on `device`, and its config.

    Raises:
        CheckpointError: not a checkpoint, altered since it was written, or its weights do not fit its config.
    """
    config = load_config_of(folder)
    verify_checkpoint(folder, (CONFIG_FILE, MODEL_FILE))
    model = build_tokenizer(config.model)
    try:
        model.load_state_dict(safetensors.torch.load_file(folder / MODEL_FILE))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / MODEL_FILE} is damaged ({error}); use an earlier checkpoint") from error
    except RuntimeError as error:
        # torch names every tensor; the first few tell which setting it is.
        _, *problems = str(error).splitlines()
        shown = "; ".join(problem.strip() for problem in problems[:3]) or str(error)
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(
            f"the weights in {folder} do not fit its config: {shown}{more}; use weights and config that belong together"
        ) from error
    return place(model, device).eval(), config


def load_state(folder: Path) -> dict[str, Any]:
    """The training state of a checkpoint folder, on the CPU.

    Raises:
        CheckpointError: a published tokenizer without training state, or a damaged file.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {STATE_FILE}: training cannot go on from a published tokenizer; "
            "resume the run it came from"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); use an earlier checkpoint") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} is damaged: it holds a {type(state).__name__}; use an earlier checkpoint")
    return state
