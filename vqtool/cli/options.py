"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vqtool.cli import completion

COMMON = "Common options"
"""The panel of what most commands have, below what is a command's own."""

Split = Literal["train", "val", "test"]
Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="NAME_OR_PATH",
        autocompletion=completion.configs,
        help="Config file, or the name of a shipped preset; default: the defaults in docs/config.md.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        autocompletion=completion.settings,
        rich_help_panel=COMMON,
        help="Override a setting of the config, for example --set train.steps=100; repeat.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|cuda:N",
        autocompletion=completion.devices,
        rich_help_panel=COMMON,
        help="Where to compute; auto takes a GPU if any.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=COMMON, help="Print the result as JSON; docs/json.md has the fields."),
]
Debug = Annotated[bool, typer.Option("--debug", rich_help_panel=COMMON, help="Show the traceback of an error.")]
Checkpoint = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        metavar="RUN_OR_CHECKPOINT",
        autocompletion=completion.checkpoints,
        help="A run folder (its latest checkpoint), RUN:best-psnr, RUN:step-00000100, or a checkpoint folder.",
    ),
]
Store = Annotated[
    Path | None,
    typer.Option("--data", metavar="STORE", help="Frame store; default: data.store of the config."),
]

Search = Annotated[
    int,
    typer.Option(
        "--search",
        metavar="STEPS",
        min=0,
        help="Look for better tokens than the encoder's own by so many steps of gradient a frame: 60 is a good number, "
        "and as slow as 60 steps of training. The bits stay the same.",
    ),
]


def epilog(text: str) -> str:
    """Examples and notes below a command's help: paragraphs that fill the width of the terminal."""
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in text.split("\n\n"))


def overrides(values: list[str] | None, **flags: object) -> list[str]:
    """`--set` values followed by flags that were given, as overrides: flags win. `train__steps` means train.steps."""
    import json

    given = [f"{name.replace('__', '.')}={json.dumps(value)}" for name, value in flags.items() if value is not None]
    return [*(values or []), *given]


def command_line() -> str:
    """The command as typed, for the record."""
    import shlex
    import sys

    return shlex.join(["vqtool", *sys.argv[1:]])
