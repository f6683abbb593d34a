"""A file of the authors that is used as it is: taken by its bytes, only where the weights themselves are not there."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from vqtool.errors import WeightsError
from vqtool.weights.download import PublishedFile
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.fetch import fetch_entry
from vqtool.weights.i3d import I3D, TORCHSCRIPT
from vqtool.weights.web import UrlFile

CONTENT = b"a network in a form of its own"


@pytest.fixture
def entry() -> WeightsEntry:
    """I3D with no source, and a short file in place of the TorchScript."""
    short = PublishedFile(TORCHSCRIPT.name, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    return dataclasses.replace(I3D, sources=(), as_is=short)


@pytest.mark.parametrize("whole_folder", [False, True])
def test_the_published_file_is_kept_byte_for_byte(entry: WeightsEntry, tmp_path: Path, whole_folder: bool) -> None:
    given = tmp_path / "usb" / TORCHSCRIPT.name
    given.parent.mkdir()
    given.write_bytes(CONTENT)
    kept = fetch_entry(entry, tmp_path / "weights", given.parent if whole_folder else given)
    assert kept == tmp_path / "weights" / TORCHSCRIPT.name
    assert kept.read_bytes() == CONTENT
    assert [path.name for path in kept.parent.iterdir()] == [TORCHSCRIPT.name]


def test_another_file_of_that_name_is_refused_with_both_hashes(entry: WeightsEntry, tmp_path: Path) -> None:
    given = tmp_path / TORCHSCRIPT.name
    given.write_bytes(CONTENT + b"!")
    with pytest.raises(WeightsError) as refused:
        fetch_entry(entry, tmp_path / "weights", given)
    assert entry.as_is is not None
    for sha256 in (hashlib.sha256(CONTENT + b"!").hexdigest(), entry.as_is.sha256):
        assert str(sha256) in str(refused.value)
    assert not (tmp_path / "weights" / TORCHSCRIPT.name).exists()


def test_the_last_sources_of_i3d_are_the_authors_own_addresses_of_that_file() -> None:
    last = [source for source in I3D.sources if isinstance(source, UrlFile)]
    assert I3D.sources[-2:] == tuple(last)
    assert all(source.files == (TORCHSCRIPT,) for source in last)
