"""Publishing a tokenizer: a folder of weights, config, checksums and a page about it; no pickle, no local paths."""

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch

from vqtool.codec.model_card import model_card, provenance_of
from vqtool.codec.prior import PRIOR_FILE
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.core.atomic import atomic_folder
from vqtool.core.checkpoint import CHECKSUMS_FILE, CONFIG_FILE, MODEL_FILE, verify_checkpoint
from vqtool.core.config_file import read_toml

CARD_FILE = "README.md"
PATH_SECTIONS = ("preprocess", "data", "run")
"""Sections whose values may be paths of the author's machine."""


@dataclass(frozen=True)
class Published:
    """A published tokenizer: its folder, its hash, its files and their bytes."""

    path: Path
    sha256: str
    files: dict[str, int]


def publish(folder: Path, output: Path, license_name: str = "") -> Published:
    """Publish the checkpoint in `folder` to the folder `output`, which appears whole or not at all.

    The weights are the same bytes and the config is the same text but for the author's absolute paths, of which the
    last part remains; `model` settings stay as they are, so the tokenizer keeps its hash.

    Raises:
        CheckpointError: not a checkpoint, or damaged.
        VqtoolError: `output` exists, no space left, or it cannot be written.
    """
    verify_checkpoint(folder)
    tokenizer = load_folder(folder, torch.device("cpu"))
    card = model_card(tokenizer.config, provenance_of(folder), tokenizer.sha256, _facts(tokenizer), license_name)
    settings = _without_paths(read_toml(folder / CONFIG_FILE))
    with atomic_folder(output) as temporary:
        shutil.copyfile(folder / MODEL_FILE, temporary / MODEL_FILE)
        if (folder / PRIOR_FILE).is_file():
            # Without it the .vqt files that were written with it could not be read.
            shutil.copyfile(folder / PRIOR_FILE, temporary / PRIOR_FILE)
        (temporary / CONFIG_FILE).write_text(tomli_w.dumps(settings), encoding="utf-8")
        (temporary / CARD_FILE).write_text(card, encoding="utf-8")
        sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(temporary.iterdir())}
        (temporary / CHECKSUMS_FILE).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
        sizes = {file.name: file.stat().st_size for file in sorted(temporary.iterdir())}
    return Published(output, tokenizer.sha256, sizes)


def _without_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the last part of each absolute path in the sections that hold any."""
    shortened = {
        section: {key: _last_part(value) for key, value in settings[section].items()}
        for section in PATH_SECTIONS
        if section in settings
    }
    return settings | shortened


def _last_part(value: Any) -> Any:
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _facts(tokenizer: LoadedTokenizer) -> dict[str, str]:
    """What the page says of the model."""
    model, layout, config = tokenizer.model, tokenizer.layout, tokenizer.config.model
    sizes = model.codebook_sizes
    codes = f"{model.codebook_size:,} codes" + (f" in {len(sizes)} codebooks" if len(sizes) > 1 else "")
    clip_frames = layout.segment_frames or 1
    tokens, bits = model.num_tokens(clip_frames) / clip_frames, model.bits(clip_frames) / clip_frames
    facts = {
        "kind": config.kind,
        "frame": f"{model.resolution} x {model.resolution} pixels, RGB",
        "tokens of a frame": f"{layout.grid[0]} x {layout.grid[1]}",
        "codebook": codes,
        "bits a frame": f"{bits:.4g}, {bits / model.resolution**2:.4g} a pixel ({tokens:.4g} tokens)",
        "parameters": f"{sum(math.prod(parameter.shape) for parameter in model.parameters()):,}",
    }
    if layout.context_grid is not None:
        rows, columns = layout.context_grid
        facts["context"] = f"{rows} x {columns} tokens, shared by every {layout.segment_frames} frames of a clip"
    return facts
