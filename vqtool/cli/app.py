"""The Typer application: its commands, in the order a user meets them."""

from collections.abc import Callable
from typing import Annotated

import typer

from vqtool import __version__
from vqtool.cli import (
    bench,
    config,
    dash,
    data,
    decode,
    demo,
    doctor,
    encode,
    eval,
    fetch_weights,
    import_checkpoint,
    options,
    preprocess,
    prior,
    publish,
    reconstruct,
    runs,
    tokens,
    train,
)

app = typer.Typer(
    name="vqtool",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compress robot video frames into a few discrete tokens, and reconstruct them.",
    epilog="""Examples:

vqtool demo

vqtool train --config tiny.toml --data data/robonet64

Every command has examples in its own --help. vqtool --install-completion teaches your shell the rest.""",
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


START, MAKE, MEASURE, USE = "Start", "From videos to a tokenizer", "Measure", "Use a tokenizer"
KEEP = "Look at what there is"


def _add(name: str, command: Callable[..., None], epilog: str, panel: str) -> None:
    app.command(name, epilog=options.epilog(epilog), rich_help_panel=panel)(command)


_add("demo", demo.demo, demo.EPILOG, START)
_add("doctor", doctor.doctor, doctor.EPILOG, START)
_add("fetch-weights", fetch_weights.fetch_weights, fetch_weights.EPILOG, START)
_add("preprocess", preprocess.preprocess, preprocess.EPILOG, MAKE)
_add("train", train.train, train.EPILOG, MAKE)
_add("dash", dash.dash, dash.EPILOG, MAKE)
_add("eval", eval.evaluate, eval.EPILOG, MEASURE)
_add("reconstruct", reconstruct.reconstruct, reconstruct.EPILOG, MEASURE)
app.add_typer(bench.app, name="bench", rich_help_panel=MEASURE)
_add("encode", encode.encode, encode.EPILOG, USE)
_add("decode", decode.decode, decode.EPILOG, USE)
_add("prior", prior.prior, prior.EPILOG, USE)
_add("publish", publish.publish, publish.EPILOG, USE)
_add("import-checkpoint", import_checkpoint.import_checkpoint, import_checkpoint.EPILOG, USE)
for name, group in (("runs", runs.app), ("data", data.app), ("tokens", tokens.app), ("config", config.app)):
    app.add_typer(group, name=name, rich_help_panel=KEEP)
