"""encode, decode, tokens and publish as a user runs them."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import torch

from vqtool.cli import main
from vqtool.core.checkpoint import save_checkpoint
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer

TINY = [
    "model.resolution=32", "model.channels=8", "model.channel_multipliers=[1,2]",
    "model.quantizer.codebook_size=16", "model.quantizer.code_dim=4", "train.precision=fp32",
]  # fmt: skip


def vqtool(folder: Path, *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command line in `folder`."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["vqtool", *map(str, arguments)])
        patch.setenv("COLUMNS", "80")
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, stdout.getvalue(), stderr.getvalue()


@pytest.fixture(scope="module")
def place(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint `model` and its token store `tokens`."""
    folder = tmp_path_factory.mktemp("place")
    config = load_config("tiny", [*TINY, f"data.store={small_store}"])
    torch.manual_seed(0)
    save_checkpoint(folder / "model", build_tokenizer(config.model).state_dict(), config)
    code, stdout, stderr = vqtool(folder, "encode", "--checkpoint", "model", "--output", "tokens", "--device", "cpu")
    assert code == 0, stderr
    assert "frames of 4 x 4 tokens" in stdout and "16, stored as uint16" in stdout
    assert "encoding: " in stderr
    return folder


def test_a_token_store_is_looked_at_and_checked(place: Path) -> None:
    assert "tokenizer  " in vqtool(place, "tokens", "info", "tokens")[1]
    assert json.loads(vqtool(place, "tokens", "info", "tokens", "--json")[1])["grid"] == [4, 4]
    code, stdout, stderr = vqtool(place, "tokens", "verify", "tokens")
    assert (code, stdout) == (0, "6 files verified\n")
    assert "verifying: 6/6 files" in stderr


def test_searched_tokens_are_others_and_the_store_says_how_long_it_looked(place: Path) -> None:
    """The config of the checkpoint has no LPIPS in its loss, so nothing is fetched."""
    command = ("encode", "--checkpoint", "model", "--output", "searched", "--device", "cpu", "--search", "2")
    code, stdout, stderr = vqtool(place, *command)
    assert code == 0, stderr
    assert "search     2 steps of gradient a frame\n" in stdout
    assert json.loads((place / "searched" / "metadata.json").read_text())["search_steps"] == 2
    assert json.loads((place / "tokens" / "metadata.json").read_text())["search_steps"] == 0
    assert (place / "searched" / "tokens-00000.npy").read_bytes() != (
        place / "tokens" / "tokens-00000.npy"
    ).read_bytes()
    assert vqtool(place, "tokens", "verify", "searched")[0] == 0


def test_an_altered_store_is_named(place: Path) -> None:
    file = place / "tokens" / "clips.csv"
    content = file.read_bytes()
    file.write_bytes(content + b"\n")
    code, _, stderr = vqtool(place, "tokens", "verify", "tokens")
    file.write_bytes(content)
    assert code == 1 and "clips.csv: its content was altered" in stderr


def test_it_decodes_with_the_checkpoint_that_it_names(place: Path) -> None:
    code, stdout, stderr = vqtool(place, "decode", "tokens", "--clips", "1", "--output", "out", "--format", "gif")
    assert code == 0, stderr
    assert (place / stdout.strip()).is_file()
    store = (place / "tokens").rename(place / "elsewhere")
    code, _, stderr = vqtool(store, "decode", store, "--clips", "1", "--output", "out")
    store.rename(place / "tokens")
    assert code == 1 and "was encoded by model, which is not there now" in stderr and "--checkpoint" in stderr


@pytest.mark.parametrize("form", ["raw", "npz"])
def test_it_exports(place: Path, form: str) -> None:
    code, stdout, stderr = vqtool(
        place, "tokens", "export", "tokens", "--format", form, "--output", form, "--clip-frames", "8"
    )
    assert code == 0, stderr
    assert stdout.startswith(f"{form}: ")
    assert (place / form / ("train" if form == "raw" else "train.npz")).exists()


def test_publishing_says_what_it_wrote(place: Path) -> None:
    code, stdout, stderr = vqtool(place, "publish", "model", "public", "--json")
    record = json.loads(stdout)
    assert code == 0 and len(record["tokenizer_sha256"]) == 64
    assert record["files"]["README.md"] == (place / "public" / "README.md").stat().st_size
    assert "--license NAME" in stderr
    info = json.loads(vqtool(place, "tokens", "info", "tokens", "--json")[1])
    assert info["tokenizer_sha256"] == record["tokenizer_sha256"]
    assert vqtool(place, "decode", "tokens", "--checkpoint", "public", "--clips", "1", "--output", "again")[0] == 0


def test_a_second_encoding_is_refused(place: Path) -> None:
    code, _, stderr = vqtool(place, "encode", "--checkpoint", "model", "--output", "tokens")
    assert code == 1 and "holds a complete token store already" in stderr


@pytest.mark.parametrize("command", ["encode", "decode", "publish", "tokens info", "tokens verify", "tokens export"])
def test_every_command_has_help_with_an_example(tmp_path: Path, command: str) -> None:
    code, stdout, _ = vqtool(tmp_path, *command.split(), "--help")
    assert code == 0 and "Example" in stdout and f"vqtool {command}" in stdout
