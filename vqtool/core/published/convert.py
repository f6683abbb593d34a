"""A published VQGAN as a checkpoint folder: found in its file, measured, compared tensor by tensor, written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config import ClassicConfig, Config, ModelConfig
from vqtool.core.config_file import config_from_table
from vqtool.core.published.architecture import Architecture, from_shapes, from_yaml
from vqtool.core.published.files import read_tensors
from vqtool.core.published.layout import Found, find_vqgan
from vqtool.core.text import clean
from vqtool.core.tokenizers import build_tokenizer
from vqtool.errors import CheckpointError, VqtoolError

USUAL_RESOLUTION = 256
RESOLUTION_OF_2022 = 64
MEAN_OF_2022 = (0.4947905177456989, 0.4394289448514622, 0.3734249455050442)
STD_OF_2022 = (0.2248808632122409, 0.2230480187693433, 0.2166628109431439)
"""Frames of the 2022 project: their size, and the statistics of RoboNet that its networks see them normalised by."""
MAX_NAMED = 5


@dataclass(frozen=True)
class Choices:
    """What a user may say about a file: see `import_checkpoint`."""

    yaml: Path | None = None
    resolution: int | None = None
    part: str | None = None
    raw: bool = False
    ignore: Sequence[str] = ()
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Imported:
    """What was made of a file: its config, how many tensors it has, and `notes` on what was left out or assumed."""

    config: Config
    num_tensors: int
    notes: list[str]


def import_checkpoint(path: Path, output: Path, choices: Choices) -> Imported:
    """Make the checkpoint folder `output` of the published VQGAN in the torch or safetensors file `path`.

    The tokens and frames that it gives are those of the program that the file is from. Tensors are float32 afterwards.

    Args:
        path: The file; nothing in it is run.
        output: Must not exist.
        choices: yaml: the file that holds its `ddconfig`, else the shapes of the tensors are used. resolution: of a
            frame, pixels, else the YAML's. part, raw, ignore: see `find_vqgan`. overrides: `section.key=value` of the
            config.

    Raises:
        VqtoolError: the file cannot be read, holds no such network, or tensors are missing, unknown or of another
            shape; names them. Or `output` exists or cannot be written.
    """
    if output.exists():
        raise VqtoolError(f"{output} exists already: remove it or choose another with --output")
    architecture = from_yaml(choices.yaml) if choices.yaml else None
    tensors = read_tensors(path)
    try:
        found = find_vqgan(tensors, choices.part, choices.raw, choices.ignore)
        table = _model_table(found, architecture or from_shapes(found.tensors), choices.resolution)
        config = config_from_table({"model": table}, str(choices.yaml or path), choices.overrides)
        weights = _fitted(found.tensors, config, str(choices.yaml or "its encoder"))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    save_checkpoint(output, weights, config)
    size_is_known = bool(choices.resolution or architecture)
    return Imported(config, len(found.tensors), [*_notes_on(found), *_assumptions(config.model, size_is_known)])


def _model_table(found: Found, architecture: Architecture, resolution: int | None) -> dict[str, Any]:
    """The section `[model]`."""
    usual = RESOLUTION_OF_2022 if found.is_of_2022 else USUAL_RESOLUTION
    table = architecture.model_table(resolution or architecture.resolution or usual)
    return table | {"pixel_mean": MEAN_OF_2022, "pixel_std": STD_OF_2022} if found.is_of_2022 else table


def _assumptions(model: ModelConfig, size_is_known: bool) -> list[str]:
    assert isinstance(model, ClassicConfig)
    size = f"frames of {model.resolution}x{model.resolution} pixels"
    mean, std = (f"({', '.join(f'{value:.4g}' for value in values)})" for values in (model.pixel_mean, model.pixel_std))
    return [
        *([] if size_is_known else [f"assumed {size}: give --resolution or --config if they were another size"]),
        f"pixels in [0, 1] are normalised by mean {mean} and deviation {std}: if they were trained on others, "
        "--set model.pixel_mean=[...] and model.pixel_std=[...]",
    ]


def _notes_on(found: Found) -> list[str]:
    place = found.place.rstrip(".")
    notes = [f"taken from {place}"] if place else []
    if found.averaged:
        notes.append("took the moving average of the weights (model_ema); --raw takes the weights themselves")
    if found.left_out:
        groups = ", ".join(f"{clean(name, 100)} ({count})" for name, count in found.left_out.items())
        notes.append(f"left out, not needed to encode and decode: {groups}")
    return notes


def _fitted(tensors: Mapping[str, Tensor], config: Config, origin: str) -> dict[str, Tensor]:
    """The state dict of the tokenizer of `config`, which `origin` described: float32, the codebook in place.

    Raises:
        CheckpointError: tensors are missing, unknown or of another shape.
    """
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in build_tokenizer(config.model).state_dict().items()}
    num_codes = len(tensors.get("quantize.embedding.weight", ()))
    own = {
        "quantize.initialised": torch.tensor(True),
        "quantize.usage": torch.full((num_codes,), 1 / max(num_codes, 1)),
    }
    if any(name.startswith("decoder._2d_decoder.") for name in tensors):
        raise CheckpointError("its decoder ends in convolutions over time, which vqtool's has not: only 2D ones fit")
    problems = [
        *_listed("missing", [name for name in expected if name not in tensors and name not in own]),
        *_listed("unknown", [name for name in tensors if name not in expected or name in own]),
        *_listed("of another shape", [_shapes(name, tensors[name], shape) for name, shape in expected.items()
                                      if name in tensors and tensors[name].shape != shape]),
    ]  # fmt: skip
    if problems:
        raise CheckpointError(
            f"its tensors are not those of the networks that {origin} describes:\n  " + "\n  ".join(problems)
        )
    # Copies, because tensors of a file may share their memory, which safetensors refuses.
    return {name: tensor.float().clone() for name, tensor in tensors.items()} | own


def _shapes(name: str, tensor: Tensor, expected: torch.Size) -> str:
    return f"{name} {tuple(tensor.shape)} instead of {tuple(expected)}"


def _listed(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f", and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return [f"{len(names)} {what}: {', '.join(clean(name, 120) for name in names[:MAX_NAMED])}{more}"]
