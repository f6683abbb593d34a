"""The hyper-parameters of a VQGAN: from its YAML, or read off the shapes of its tensors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from vqtool.core.text import clean
from vqtool.errors import CheckpointError, ConfigError

NORM_GROUPS = 32
"""Groups of every normalisation in that family, however few channels there are."""
MAX_DEPTH = 8


@dataclass(frozen=True)
class Architecture:
    """What makes two such networks differ; `resolution` is None where nothing says it."""

    channels: int
    channel_multipliers: tuple[int, ...]
    num_res_blocks: int
    attention_levels: tuple[int, ...]
    latent_channels: int
    codebook_size: int
    code_dim: int
    resolution: int | None

    def model_table(self, resolution: int) -> dict[str, Any]:
        """The section `[model]`, for frames of `resolution` pixels: attention stays at its levels."""
        return {
            "kind": "classic",
            "resolution": resolution,
            "channels": self.channels,
            "channel_multipliers": self.channel_multipliers,
            "num_res_blocks": self.num_res_blocks,
            "attention_resolutions": tuple(resolution >> level for level in self.attention_levels),
            "latent_channels": self.latent_channels,
            "norm_groups": NORM_GROUPS,
            "quantizer": {"kind": "vq", "codebook_size": self.codebook_size, "code_dim": self.code_dim},
        }


class _Networks(BaseModel):
    """The `ddconfig` of a YAML; what is not here changes nothing after training."""

    model_config = ConfigDict(strict=True)

    ch: int
    ch_mult: list[int]
    num_res_blocks: int
    attn_resolutions: list[int]
    z_channels: int
    resolution: int
    in_channels: int = 3
    out_ch: int = 3
    double_z: bool = False
    resamp_with_conv: bool = True
    tanh_out: bool = False
    give_pre_end: bool = False
    use_linear_attn: bool = False
    attn_type: str = "vanilla"

    def foreign(self) -> list[str]:
        """Settings of networks that the classic family has not, as `name: value`."""
        allowed: dict[str, Any] = {
            "in_channels": 3,
            "out_ch": 3,
            "double_z": False,
            "resamp_with_conv": True,
            "tanh_out": False,
            "give_pre_end": False,
            "use_linear_attn": False,
            "attn_type": "vanilla",
        }
        return [f"{name}: {getattr(self, name)}" for name, value in allowed.items() if getattr(self, name) != value]


class _Model(BaseModel):
    """The mapping of a YAML that holds `ddconfig`."""

    model_config = ConfigDict(strict=True)

    ddconfig: _Networks
    embed_dim: int
    n_embed: int


def from_yaml(path: Path) -> Architecture:
    """The architecture in a YAML file: `ddconfig`, `embed_dim` and `n_embed`, at any depth.

    Raises:
        ConfigError: no such file, not YAML, not one such model, or one that the classic family cannot be.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML: {clean(str(error), 300)}") from error
    models = list(_models(content, MAX_DEPTH))
    if len(models) != 1:
        found = f"{len(models)} sections have" if models else "no section has"
        raise ConfigError(f"{path}: {found} a ddconfig, expected one; without --config the tensors' shapes are used")
    try:
        model = _Model.model_validate(models[0])
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise ConfigError(f"{path}: {clean(problems, 500)}") from error
    if foreign := model.ddconfig.foreign():
        raise ConfigError(f"{path}: the classic family has no such networks: {clean(', '.join(foreign), 300)}")
    return _of_model(model)


def _models(value: object, depth: int) -> Iterator[Mapping[str, Any]]:
    if not isinstance(value, Mapping) or not depth:
        return
    if "ddconfig" in value:
        yield value
    for part in value.values():
        yield from _models(part, depth - 1)


def _of_model(model: _Model) -> Architecture:
    networks = model.ddconfig
    levels = range(len(networks.ch_mult))
    return Architecture(
        channels=networks.ch,
        channel_multipliers=tuple(networks.ch_mult),
        num_res_blocks=networks.num_res_blocks,
        attention_levels=tuple(n for n in levels if networks.resolution >> n in networks.attn_resolutions),
        latent_channels=networks.z_channels,
        codebook_size=model.n_embed,
        code_dim=model.embed_dim,
        resolution=networks.resolution,
    )


def from_shapes(tensors: Mapping[str, Tensor]) -> Architecture:
    """The architecture that the encoder's tensors and the codebook have; all but the resolution can be read off them.

    Raises:
        CheckpointError: one of those tensors is missing, or the widths are no multiples of the first.
    """

    def size(name: str, axis: int = 0) -> int:
        if name not in tensors or tensors[name].dim() <= axis:
            raise CheckpointError(_missing(name, tensors))
        return tensors[name].shape[axis]

    levels = _count(tensors, "encoder.down")
    channels = size("encoder.conv_in.weight")
    widths = [size(f"encoder.down.{level}.block.0.conv1.weight") for level in range(levels)]
    if not channels or any(width % channels for width in widths):
        raise CheckpointError(f"the levels are {widths} channels wide: no multiples of the first layer's {channels}")
    return Architecture(
        channels=channels,
        channel_multipliers=tuple(width // channels for width in widths),
        num_res_blocks=_count(tensors, "encoder.down.0.block"),
        attention_levels=tuple(n for n in range(levels) if f"encoder.down.{n}.attn.0.q.weight" in tensors),
        latent_channels=size("encoder.conv_out.weight"),
        codebook_size=size("quantize.embedding.weight"),
        code_dim=size("quantize.embedding.weight", 1),
        resolution=None,
    )


def _count(tensors: Mapping[str, Tensor], module: str) -> int:
    """How many numbered parts a module has."""
    numbers = {name.removeprefix(f"{module}.").partition(".")[0] for name in tensors if name.startswith(f"{module}.")}
    return sum(number.isdecimal() for number in numbers)


def _missing(name: str, tensors: Mapping[str, Tensor]) -> str:
    if name != "quantize.embedding.weight":
        return f"tensor {name} is missing, which the size of the networks is read off"
    if "quantize.embed.weight" in tensors:
        return "its quantizer draws codes from logits (Gumbel), it has no codebook of nearest codes: not importable"
    return f"tensor {name}, the codebook, is missing: an autoencoder without tokens cannot be imported"
