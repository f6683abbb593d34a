"""The schema, its presets, and what a user reads when a config is wrong."""

from pathlib import Path

import pytest
import tomli
from pydantic import BaseModel

from vqtool.core.config import Config, EmaConfig, Section
from vqtool.core.config_file import dump_config, find_config, load_config, override_config
from vqtool.core.presets import preset_names, presets_folder
from vqtool.errors import ConfigError


def all_sections() -> list[type[BaseModel]]:
    return [kind for kind in Section.__subclasses__() if kind is not Config]


def test_three_mistakes_of_different_kinds_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('[train]\nstepz = 3\nbatch_size = "many"\n[optim]\nlr = 7\n')
    with pytest.raises(ConfigError) as caught:
        load_config(str(path))
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 mistakes in the config:"
    stepz, batch_size, lr = (
        next(line for line in lines if key in line) for key in ("train.stepz", "train.batch_size", "optim.lr")
    )
    assert all(str(path) in line for line in (stepz, batch_size, lr))
    assert "did you mean train.steps?" in stepz
    assert "integer" in batch_size
    assert "'many'" in batch_size
    assert "less than or equal to 1" in lr


def test_a_mistake_in_an_override_names_the_override() -> None:
    with pytest.raises(ConfigError, match=r"--set optim\.betas=\[0\.5,1\.5\]: optim\.betas\.1: expected less than 1"):
        load_config(None, ["optim.betas=[0.5,1.5]"])


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.quantizer.codebok_size=4", "did you mean model.quantizer.codebook_size"),
        ("model.decoder.kind=4d", "expected a kind of '2d', '3d'"),
        ("model.quantizer=3", "expected a section"),
        ("train=3", "expected a section"),
        ("nonsense", "expected section.key=value"),
        ("train.steps.deep=1", "train.steps"),
        ("model.resolution=60", "not divisible by 16"),
        ("train.accumulate=true", "integer"),
    ],
)
def test_wrong_overrides_say_what_is_expected(override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, [override])
    assert expected in str(caught.value)


def test_overrides_are_toml_values_or_plain_words() -> None:
    config = load_config(
        None, ["train.steps=7", "data.store=my data/robots", "model.quantizer.kind=ema", "eval.splits=['test']"]
    )
    assert (config.train.steps, config.data.store, config.eval.splits) == (7, "my data/robots", ("test",))
    assert isinstance(config.model.quantizer, EmaConfig)


def test_a_section_without_a_kind_has_the_default_kind() -> None:
    assert load_config(None, ["model.quantizer.codebook_size=8"]).model.quantizer.kind == "vq"


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    config = load_config(name)
    path = tmp_path / "again.toml"
    path.write_text(dump_config(config))
    assert load_config(str(path)) == config
    assert override_config(config, ["train.steps=3"]).train.steps == 3


@pytest.mark.parametrize("name", ["baseline.toml", "baseline_2d.toml", "3d_decoder__2d_loss.toml"])
def test_the_three_original_configs_have_the_published_hyperparameters(name: str) -> None:
    config = load_config(name)
    model, quantizer = config.model, config.model.quantizer
    assert (model.channels, model.channel_multipliers, model.num_res_blocks) == (128, (1, 1, 2, 2, 4), 2)
    assert (model.attention_resolutions, model.latent_channels, model.downsampling) == ((16,), 256, 16)
    assert (quantizer.codebook_size, quantizer.code_dim, quantizer.commitment_weight) == (1024, 192, 0.25)
    assert (config.optim.lr, config.optim.betas, config.train.accumulate) == (5e-4, (0.5, 0.9), 6)
    is_clip = name.startswith("3d")
    assert (config.train.batch_size, config.data.clip_frames, config.train.steps, model.decoder.kind) == (
        (10, 12, 30_000, "3d") if is_clip else (120, 1, 70_000, "2d")
    )
    assert (config.loss.perceptual_weight > 0) == (name != "baseline_2d.toml")


def test_a_path_wins_over_the_configs_folder_and_that_over_presets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("tiny") == presets_folder() / "tiny.toml"
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "tiny.toml").write_text("[train]\nsteps = 2\n")
    assert load_config("tiny").train.steps == 2
    (tmp_path / "tiny.toml").write_text("[train]\nsteps = 1\n")
    assert load_config("tiny.toml").train.steps == 1


def test_an_unknown_name_suggests_the_nearest_preset() -> None:
    with pytest.raises(ConfigError, match=r"did you mean baseline_2d\.toml"):
        find_config("baselin_2d.toml")


def test_a_file_that_is_not_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[train\n")
    with pytest.raises(ConfigError, match=r"not valid TOML.*line 1"):
        load_config(str(path))


def test_every_field_has_a_description() -> None:
    for section in all_sections():
        for name, field in section.model_fields.items():
            assert field.description or name == "kind", f"{section.__name__}.{name}"


def test_the_dump_is_toml_that_says_everything() -> None:
    assert tomli.loads(dump_config(Config())) == Config().model_dump(mode="json")
