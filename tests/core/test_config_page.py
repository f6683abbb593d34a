"""docs/config.md is what the schema says, and the schema says something of every field."""

from pathlib import Path

import tomli

from vqtool.core.config import Config
from vqtool.core.config_file import config_from_table
from vqtool.core.config_keys import keys_below
from vqtool.core.config_page import ConfigPage

PAGE = Path(__file__).resolve().parents[2] / "docs" / "config.md"


def sections() -> list[list[str]]:
    """The paths of all sections with a table, by the page's headings."""
    heads = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## [")]
    return [head[4:-1].split(".") for head in heads]


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == ConfigPage().text(), "run: vqtool config docs > docs/config.md"


def test_every_setting_is_on_the_page_with_a_meaning() -> None:
    """Against the JSON schema that pydantic itself writes of the config."""
    page = PAGE.read_text(encoding="utf-8")
    definitions = Config.model_json_schema()["$defs"]
    assert len(definitions) >= 20
    for section, definition in definitions.items():
        for name, facts in definition["properties"].items():
            if name != "kind":
                assert facts.get("description"), f"{section}.{name} has no description"
                assert any(
                    line.startswith(f"| `{name}` |") and facts["description"] in line for line in page.splitlines()
                )


def test_rows_say_what_a_reader_of_the_schema_would_say() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for row in (
        "| `size` | whole number, 8 to 1,024 | `64` | height and width of a stored frame, pixels |",
        "| `betas` | list of 2 numbers, 0 to below 1 | `[0.5, 0.9]` | decay rates of Adam's moments |",
        "| `tensorboard` | `true` `false` | `false` | also write the run's numbers and previews for TensorBoard |",
        '| `splits` | list of `train` `val` `test` | `["val"]` | splits evaluated during training |',
        "| `steps` | whole number, 1 or more | `70000` | optimiser steps |",
    ):
        assert row in lines


def test_the_defaults_on_the_page_are_toml_and_the_defaults_of_the_program() -> None:
    for row in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in row.split(" | ")]
        if row.startswith("| `") and not cells[1].startswith("section"):
            tomli.loads(f"value = {cells[2].strip('`')}")
    table = tomli.loads("[train]\nsteps = 70000\nmax_seconds = 0\n[optim]\nbetas = [0.5, 0.9]\n")
    assert config_from_table(table, "page") == Config()


def test_keys_are_found_below_a_path_of_every_kind() -> None:
    assert list(keys_below(["data", "augment"])) == [
        "flip",
        "shift",
        "min_crop",
        "brightness",
        "contrast",
        "saturation",
    ]
    kinds = {word for key in keys_below(["model", "quantizer"])["kind"] for word in key.words}
    assert kinds == {"vq", "ema", "simvq", "fsq", "bsq", "residual", "grouped"}
    assert "temporal_kernel" in keys_below(["model", "decoder"])
    assert keys_below(["nowhere"]) == {} == keys_below(["train", "steps"])
