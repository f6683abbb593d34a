"""The Typer application: its commands, in the order a user meets them."""

from typing import Annotated

import typer

from vqtool import __version__
from vqtool.cli import config

app = typer.Typer(
    name="vqtool",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compress robot video frames into a few discrete tokens, and reconstruct them.",
    epilog="Start with: vqtool demo",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vqtool {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass


app.add_typer(config.app, name="config")
