"""Rules for the help of every command, and for every command line that is shown anywhere."""

import re
import shlex
from typing import Any

import pytest
from command_tree import REPOSITORY, command_lines, leaves, parse

from vqtool.core.config import PreprocessConfig

COMMANDS = dict(leaves())
PAGES = sorted(
    [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md"), *(REPOSITORY / "configs").glob("*.toml")]
)
SHARED = ("--device", "--set", "--json", "--debug", "--data", "--config", "--checkpoint")
NUM_OPTIONS_FOR_PANELS = 8


def options(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if parameter.name != "help"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_a_sentence(name: str) -> None:
    first = COMMANDS[name].help.split("\n\n")[0].replace("\n", " ")
    assert first[0].isupper() and first.endswith("."), first
    assert len(first) <= 160, first


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_two_examples_of_this_command_that_parse(name: str) -> None:
    epilog = COMMANDS[name].epilog or ""
    assert epilog.startswith("Examples:\n\n")
    lines = list(command_lines(epilog))
    assert len(lines) >= 2, lines
    assert sum(parse(line) == name for line in lines) >= 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does_and_its_default(name: str) -> None:
    for option in options(COMMANDS[name]):
        flag = option.opts[-1]
        assert option.help and option.help.rstrip().endswith((".", ")")), f"{name} {flag}: {option.help!r}"
        silent = option.default is None and not option.required
        if silent and not getattr(option, "is_flag", False) and flag.startswith("--"):
            assert "efault" in option.help or "repeat" in option.help, f"{name} {flag} does not say its default"


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_commands_share_are_the_same(name: str) -> None:
    assert "--debug" in {flag for option in options(COMMANDS[name]) for flag in option.opts}
    for option in options(COMMANDS[name]):
        assert ("-o" in option.opts) == ("--output" in option.opts)
        assert ("-c" in option.opts) == ("--config" in option.opts)
        assert ("-i" in option.opts) == ("--input" in option.opts)


def test_what_the_shared_options_say_differs_nowhere_but_where_they_do_else() -> None:
    """One text an option, but for a second meaning of --config, --checkpoint and --json each."""
    texts: dict[str, set[str]] = {flag: set() for flag in SHARED}
    for command in COMMANDS.values():
        for option in options(command):
            for flag in option.opts:
                if flag in texts:
                    texts[flag].add(option.help)
    most = {"--config": 2, "--checkpoint": 3, "--json": 2}
    assert {flag: len(found) for flag, found in texts.items() if len(found) > most.get(flag, 1)} == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_many_options_are_in_panels(name: str) -> None:
    found = options(COMMANDS[name])
    panels = {getattr(option, "rich_help_panel", None) for option in found}
    if len(found) > NUM_OPTIONS_FOR_PANELS:
        assert len(panels) >= 2
    for option in found:
        if option.opts[-1] in ("--device", "--json", "--debug"):
            assert option.rich_help_panel == "Common options", f"{name} {option.opts}"


def test_the_defaults_in_the_help_of_preprocess_are_those_of_the_config() -> None:
    texts = {option.name.rstrip("_"): option.help for option in options(COMMANDS["preprocess"])}
    numbers = {name: field.default for name, field in PreprocessConfig.model_fields.items() if field.default}
    for name in ("input", "output", "size", "stride", "min_frames", "val", "test", "seed"):
        assert f"default: {numbers[name]}." in texts[name], name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_command_lines_in_the_documents_parse(page: Any) -> None:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".toml":
        text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())
    for line in command_lines(text, " {4}"):
        parse(line.replace("...", ""))


def test_torchrun_takes_the_lines_that_start_it() -> None:
    """It looks for beginnings of its own options among ours."""
    from torch.distributed.run import parse_args

    text = "\n".join(page.read_text(encoding="utf-8").replace("\\\n", " ") for page in PAGES)
    lines = re.findall(r"^ {4}torchrun (.*)", text, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        assert parse_args(shlex.split(line)).training_script == "vqtool", line


def test_there_are_command_lines_in_the_documents() -> None:
    """Else the test above would hold for nothing."""
    found = [line for page in PAGES for line in command_lines(page.read_text(encoding="utf-8"), " {4}")]
    assert len(found) >= 60
