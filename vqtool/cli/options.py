"""Options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="NAME_OR_PATH", help="Config file, or the name of a shipped preset."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example --set train.steps=100; repeat."),
]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda|cuda:N", help="Where to compute; auto takes a GPU if any.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Checkpoint = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        metavar="RUN_OR_CHECKPOINT",
        help="A run folder (its latest checkpoint), RUN:best-psnr, RUN:step-00000100, or a checkpoint folder.",
    ),
]
Store = Annotated[Path | None, typer.Option("--data", metavar="STORE", help="Frame store; default data.store.")]


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
