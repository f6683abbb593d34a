"""Checkpoint folders: whole or absent, exact, and refused with a reason when they are not ours."""

import os
import pickle
import resource
from pathlib import Path

import pytest
import torch

from vqtool.core.checkpoint import load_model, load_state, save_checkpoint
from vqtool.core.config import Config
from vqtool.core.config_file import load_config
from vqtool.core.tokenizers import build_tokenizer
from vqtool.errors import CheckpointError, VqtoolError

CPU = torch.device("cpu")


@pytest.fixture
def config() -> Config:
    return load_config("tiny", ["model.channels=8", "model.quantizer.codebook_size=16"])


@pytest.fixture
def checkpoint(tmp_path: Path, config: Config) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "step-00000001"
    save_checkpoint(
        folder, build_tokenizer(config.model).state_dict(), config, {"step": 1, "rng": torch.get_rng_state()}
    )
    return folder


def test_weights_config_and_state_come_back_exactly(checkpoint: Path, config: Config) -> None:
    torch.manual_seed(0)
    expected = build_tokenizer(config.model).state_dict()
    model, loaded = load_model(checkpoint, CPU)
    assert loaded == config
    assert not model.training
    assert expected.keys() == model.state_dict().keys()
    assert all(torch.equal(expected[name], tensor) for name, tensor in model.state_dict().items())
    assert load_state(checkpoint)["step"] == 1


def test_an_existing_checkpoint_is_never_overwritten(checkpoint: Path, config: Config) -> None:
    before = (checkpoint / "model.safetensors").read_bytes()
    with pytest.raises(VqtoolError, match="exists already"):
        save_checkpoint(checkpoint, build_tokenizer(config.model).state_dict(), config)
    assert (checkpoint / "model.safetensors").read_bytes() == before


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, config: Config) -> None:
    unsaveable = {"socket": open(os.devnull)}  # noqa: SIM115, PTH123
    with pytest.raises((TypeError, pickle.PicklingError)):
        save_checkpoint(tmp_path / "new", build_tokenizer(config.model).state_dict(), config, unsaveable)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share_of_model", [0.5, 1.5])
def test_a_full_disk_is_one_message_and_leaves_nothing(tmp_path: Path, config: Config, share_of_model: float) -> None:
    """A limit on the size of files, hit while the model or the larger training state is written."""
    weights = build_tokenizer(config.model).state_dict()
    num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    copies = {name: tensor.clone() for name, tensor in weights.items()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(num_bytes * share_of_model), limits[1]))
    try:
        with pytest.raises(VqtoolError, match=r"cannot write .*new: "):
            save_checkpoint(tmp_path / "new", weights, config, {"model": weights, "average": copies})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_published_tokenizer_has_no_training_state(tmp_path: Path, config: Config) -> None:
    save_checkpoint(tmp_path / "published", build_tokenizer(config.model).state_dict(), config)
    names = sorted(path.name for path in (tmp_path / "published").iterdir())
    assert names == ["checksums.json", "config.toml", "model.safetensors"]
    with pytest.raises(CheckpointError, match="published tokenizer"):
        load_state(tmp_path / "published")


@pytest.mark.parametrize(
    ("file", "damage", "expected"),
    [
        ("model.safetensors", lambda data: data[: len(data) // 2], "damaged"),
        ("model.safetensors", lambda data: b"", "damaged"),
        ("config.toml", lambda data: data[:-3], "config of checkpoint"),
        ("config.toml", lambda data: data.replace(b"channels = 8", b"channels = 16"), "config.toml changed"),
        ("model.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "model.safetensors changed"),
        ("state.pt", lambda data: data[: len(data) // 2], "damaged"),
        ("state.pt", lambda data: b"", "damaged"),
    ],
)
def test_damage_is_reported_as_damage(checkpoint: Path, file: str, damage: object, expected: str) -> None:
    path = checkpoint / file
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=expected):
        load_state(checkpoint) if file == "state.pt" else load_model(checkpoint, CPU)


def test_weights_of_another_size_do_not_fit(checkpoint: Path) -> None:
    config = checkpoint / "config.toml"
    config.write_text(config.read_text().replace("channels = 8", "channels = 16"))
    (checkpoint / "checksums.json").unlink()
    with pytest.raises(CheckpointError, match="do not fit"):
        load_model(checkpoint, CPU)


def test_a_damaged_training_state_does_not_keep_the_model_from_use(checkpoint: Path) -> None:
    (checkpoint / "state.pt").write_bytes(b"")
    load_model(checkpoint, CPU)


def test_a_folder_that_is_no_checkpoint_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not a checkpoint: it has no config\.toml"):
        load_model(tmp_path, CPU)


def test_a_state_that_would_run_code_is_not_loaded(checkpoint: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(checkpoint / "exploded"),)

    torch.save({"step": Bomb()}, checkpoint / "state.pt")
    with pytest.raises(CheckpointError):
        load_state(checkpoint)
    assert not (checkpoint / "exploded").exists()
