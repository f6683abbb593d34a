"""Published VQGANs: the same tokens and frames as a plain re-computation, and every file that is none refused."""

import io
import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml
from published_vqgan import Recomputed, Size, State, state_dict

from vqtool.core.checkpoint import load_model
from vqtool.core.published.convert import MEAN_OF_2022, STD_OF_2022, Choices, import_checkpoint
from vqtool.core.tokenizers import Tokenizer
from vqtool.errors import CheckpointError, ConfigError, VqtoolError

SMALL = Size()
LARGE = Size(resolution=256, z_channels=16)


def frames(size: Size, number: int = 2) -> torch.Tensor:
    coarse = torch.rand(number, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (size.resolution, size.resolution), mode="bilinear")


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def imported(path: Path, **choices: object) -> tuple[Tokenizer, list[str]]:
    """The model that the command makes of a file, and what it says of it."""
    output = path.with_name("imported")
    notes = import_checkpoint(path, output, Choices(**choices)).notes
    assert sorted(file.name for file in output.iterdir()) == ["checksums.json", "config.toml", "model.safetensors"]
    return load_model(output, torch.device("cpu"))[0], notes


@torch.inference_mode()
def check_same(model: Tokenizer, state: State, size: Size, images: torch.Tensor | None = None) -> None:
    """Tokens equal and frames close to those of the plain re-computation."""
    images = frames(size) if images is None else images
    oracle = Recomputed(state, size)
    tokens = oracle.tokens(images)
    assert tokens.unique().numel() > 4, "the frames must need several codes"
    result = model(images[:, None])
    assert torch.equal(result.tokens.frames_BTHW[:, 0], tokens)
    expected = oracle.images(tokens)
    torch.testing.assert_close(result.frames_BTCHW[:, 0], expected, atol=2e-4 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["64", "256"])
def test_a_published_checkpoint_gives_the_recomputed_tokens_and_frames(tmp_path: Path, size: Size) -> None:
    state = state_dict(size)
    loss = {"loss.discriminator.main.0.weight": torch.randn(4, 3, 4, 4)}
    path = saved(tmp_path / "last.ckpt", {"global_step": 3, "state_dict": state | loss})
    model, notes = imported(path, resolution=size.resolution)
    check_same(model, state, size, frames(size, 1) if size is LARGE else None)
    assert model.quantizer.is_initialised
    assert any("loss.discriminator (1)" in note for note in notes)


@pytest.mark.parametrize("nested", ["model.params", "model", ""], ids=["taming", "2022", "bare"])
def test_the_yaml_and_the_shapes_say_the_same(tmp_path: Path, nested: str) -> None:
    size = Size(ch_mult=(1, 2), num_res_blocks=2, attn_resolutions=(32,))
    content: dict[str, object] = {"embed_dim": 8, "n_embed": 64, "ddconfig": size.ddconfig(), "monitor": "val"}
    for name in reversed(nested.split(".") if nested else []):
        content = {name: content, "base_learning_rate": 4.5e-06}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(content))
    path = saved(tmp_path / "model.ckpt", state_dict(size))
    with_yaml = import_checkpoint(path, tmp_path / "a", Choices(yaml=tmp_path / "model.yaml"))
    without = import_checkpoint(path, tmp_path / "b", Choices(resolution=64))
    assert with_yaml.config == without.config
    assert with_yaml.config.model.attention_resolutions == (32,)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_another_resolution_keeps_attention_at_its_level(tmp_path: Path) -> None:
    content = {"model": {"ddconfig": SMALL.ddconfig(), "embed_dim": 8, "n_embed": 64}}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(content))
    path = saved(tmp_path / "model.ckpt", state_dict(SMALL))
    model = import_checkpoint(path, tmp_path / "a", Choices(yaml=tmp_path / "model.yaml", resolution=32)).config.model
    assert (model.resolution, model.attention_resolutions) == (32, (8,))


def test_frames_of_the_2022_project_are_normalised_by_its_statistics(tmp_path: Path) -> None:
    state = state_dict(SMALL)
    own = {f"module.{name}": tensor for name, tensor in state.items()}
    networks = {"module.loss.inception_i3d.Conv3d_1a_7x7.conv3d.weight": torch.zeros(1)}
    path = saved(tmp_path / "70000.ckpt", {"model_state_dict": own | networks, "opt_state_dict": {"state": {}}})
    model, notes = imported(path)
    images = frames(SMALL)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN_OF_2022, STD_OF_2022))
    with torch.inference_mode():
        result = model(images[:, None])
    oracle = Recomputed(state, SMALL)
    tokens = oracle.tokens(((images + 1) / 2 - mean) / std)
    assert torch.equal(result.tokens.frames_BTHW[:, 0], tokens)
    expected = (oracle.images(tokens) * std + mean) * 2 - 1
    torch.testing.assert_close(result.frames_BTCHW[:, 0], expected, atol=1e-3, rtol=0)
    assert any("64x64" in note for note in notes)
    assert any("(0.4948, 0.4394, 0.3734)" in note for note in notes)


def test_the_moving_average_is_taken_unless_the_raw_weights_are_wanted(tmp_path: Path) -> None:
    size = Size(ch_mult=(1, 1), attn_resolutions=())
    raw, average = state_dict(size, 0), state_dict(size, 1)
    stored = {f"model_ema.{name.replace('.', '')}": tensor for name, tensor in average.items()}
    extra = {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(5)}
    path = saved(tmp_path / "model.ckpt", {"state_dict": raw | stored | extra})
    for wanted, expected in ((False, average), (True, raw)):
        output = tmp_path / f"raw-{wanted}"
        notes = import_checkpoint(path, output, Choices(resolution=64, raw=wanted)).notes
        weights = safetensors.torch.load_file(output / "model.safetensors")
        assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
        assert any("moving average" in note for note in notes) is not wanted


def test_half_precision_and_safetensors_and_ema_codebooks_are_taken(tmp_path: Path) -> None:
    size = Size(ch_mult=(1, 1), attn_resolutions=())
    state = {name: tensor.half() for name, tensor in state_dict(size).items()}
    running = {"quantize.embedding.cluster_size": torch.ones(64), "quantize.embedding.embed_avg": torch.ones(64, 8)}
    safetensors.torch.save_file(state | running, tmp_path / "model.safetensors")
    model, _ = imported(tmp_path / "model.safetensors", resolution=64)
    check_same(model, {name: tensor.float() for name, tensor in state.items()}, size)


def test_of_two_networks_one_is_to_be_chosen(tmp_path: Path) -> None:
    size = Size(ch_mult=(1, 1), attn_resolutions=())
    both = {
        f"{stage}_stage_model.{name}": tensor
        for seed, stage in enumerate(("first", "cond"))
        for name, tensor in state_dict(size, seed).items()
    }
    path = saved(tmp_path / "net2net.ckpt", {"state_dict": both})
    with pytest.raises(CheckpointError, match=r"--part: state_dict\.first_stage_model, state_dict\.cond_stage_model"):
        import_checkpoint(path, tmp_path / "a", Choices())
    import_checkpoint(path, tmp_path / "b", Choices(part="state_dict.cond_stage_model"))
    weights = safetensors.torch.load_file(tmp_path / "b/model.safetensors")
    assert torch.equal(weights["quant_conv.bias"], state_dict(size, 1)["quant_conv.bias"])
    with pytest.raises(CheckpointError, match=r"no network 'third'.*--part may be: state_dict\.first_stage_model"):
        import_checkpoint(path, tmp_path / "c", Choices(part="third"))


def test_the_outermost_network_is_called_a_dot(tmp_path: Path) -> None:
    size = Size(ch_mult=(1, 1), attn_resolutions=())
    inner = {f"teacher.{name}": tensor for name, tensor in state_dict(size, 1).items()}
    path = saved(tmp_path / "model.ckpt", state_dict(size, 0) | inner)
    with pytest.raises(CheckpointError, match=r"--part: \., teacher"):
        import_checkpoint(path, tmp_path / "a", Choices())
    import_checkpoint(path, tmp_path / "b", Choices(part=".", ignore=("teacher",)))
    weights = safetensors.torch.load_file(tmp_path / "b/model.safetensors")
    assert torch.equal(weights["quant_conv.bias"], state_dict(size, 0)["quant_conv.bias"])


def test_everything_that_does_not_fit_is_named_at_once(tmp_path: Path) -> None:
    state = state_dict(SMALL)
    del state["decoder.mid.attn_1.q.weight"]
    state["decoder.conv_out.weight"] = torch.zeros(6, 32, 3, 3)
    state["decoder.up.0.attn.0.q.weight"] = torch.zeros(1)
    state["refiner.weight"] = torch.zeros(1)
    path = saved(tmp_path / "model.ckpt", state)
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(path, tmp_path / "out", Choices(resolution=64))
    message = str(caught.value)
    assert "1 missing: decoder.mid.attn_1.q.weight" in message
    assert "2 unknown: decoder.up.0.attn.0.q.weight, refiner.weight" in message
    assert "1 of another shape: decoder.conv_out.weight (6, 32, 3, 3) instead of (3, 32, 3, 3)" in message
    assert not (tmp_path / "out").exists()


def test_unknown_tensors_can_be_left_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.ckpt", state_dict(SMALL) | {"refiner.weight": torch.zeros(1)})
    notes = import_checkpoint(path, tmp_path / "out", Choices(resolution=64, ignore=("refiner",))).notes
    assert any("refiner (1)" in note for note in notes)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"decoder.": "decoder._2d_decoder."}, "convolutions over time"),
        ({"quantize.embedding.": "quantize.embed."}, "Gumbel"),
        ({"quantize.embedding.": "loss.codebook."}, "without tokens"),
        ({"encoder.conv_in.": "encoder.stem."}, "no VQGAN in the file"),
        ({"encoder.conv_out.": "encoder.head."}, r"encoder\.conv_out\.weight is missing"),
    ],
)
def test_other_networks_are_told_apart(tmp_path: Path, change: dict[str, str], expected: str) -> None:
    state = state_dict(SMALL)
    for old, new in change.items():
        state = {name.replace(old, new, 1) if name.startswith(old) else name: t for name, t in state.items()}
    path = saved(tmp_path / "model.ckpt", state)
    with pytest.raises(CheckpointError, match=expected) as caught:
        import_checkpoint(path, tmp_path / "out", Choices(resolution=64))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tanh_out": True, "double_z": True}, "double_z: True, tanh_out: True"),
        ({"ch": "wide"}, r"ddconfig\.ch: "),
        ({"num_res_blocks": 2}, "missing"),
        ({"resolution": 72}, "not divisible by 16"),
    ],
)
def test_a_yaml_of_another_model_is_refused(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    content = {"model": {"ddconfig": SMALL.ddconfig() | change, "embed_dim": 8, "n_embed": 64}}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(content))
    path = saved(tmp_path / "model.ckpt", state_dict(SMALL))
    with pytest.raises(VqtoolError, match=expected) as caught:
        import_checkpoint(path, tmp_path / "out", Choices(yaml=tmp_path / "model.yaml"))
    assert "model.yaml" in str(caught.value)


@pytest.mark.parametrize("text", ["[1", "a: !!python/object/apply:os.mkdir [exploded]", "model: {}", "\x00"])
def test_a_file_that_is_no_such_yaml_is_refused(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"model\.yaml"):
        import_checkpoint(tmp_path / "x.ckpt", tmp_path / "out", Choices(yaml=tmp_path / "model.yaml"))
    assert not (tmp_path / "exploded").exists()


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(tmp_path: Path, zipped: bool) -> None:
    content = {"state_dict": state_dict(Size(ch_mult=(1,))), "callbacks": Bomb(tmp_path / "exploded")}
    torch.save(content, tmp_path / "last.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(tmp_path / "last.ckpt", tmp_path / "out", Choices())
    assert "mkdir" in str(caught.value)
    assert "weights.pt" in str(caught.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle", "safetensors", "absent", "folder"])
def test_what_is_no_checkpoint_is_one_message(tmp_path: Path, damage: str) -> None:
    buffer = io.BytesIO()
    torch.save(state_dict(Size(ch_mult=(1,))), buffer)
    content = {"cut": buffer.getvalue()[:5000], "text": b"hello\n", "pickle": pickle.dumps([1, 2])}
    path = tmp_path / ("model.safetensors" if damage == "safetensors" else "model.ckpt")
    if damage == "folder":
        path.mkdir()
    elif damage != "absent":
        path.write_bytes(content.get(damage, b""))
    with pytest.raises(CheckpointError, match=r"model\.") as caught:
        import_checkpoint(path, tmp_path / "out", Choices())
    assert len(str(caught.value)) < 500


def test_an_existing_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(VqtoolError, match=r"out exists already.*--output"):
        import_checkpoint(tmp_path / "absent.ckpt", tmp_path / "out", Choices())
