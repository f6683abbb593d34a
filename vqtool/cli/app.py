"""The Typer application: its commands, in the order a user meets them."""

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

app.command("demo", epilog=demo.EPILOG, rich_help_panel=START)(demo.demo)
app.command("doctor", epilog=doctor.EPILOG, rich_help_panel=START)(doctor.doctor)
app.command("fetch-weights", epilog=fetch_weights.EPILOG, rich_help_panel=START)(fetch_weights.fetch_weights)
app.command("preprocess", epilog=preprocess.EPILOG, rich_help_panel=MAKE)(preprocess.preprocess)
app.command("train", epilog=train.EPILOG, rich_help_panel=MAKE)(train.train)
app.command("dash", epilog=dash.EPILOG, rich_help_panel=MAKE)(dash.dash)
app.command("eval", epilog=eval.EPILOG, rich_help_panel=MEASURE)(eval.evaluate)
app.command("reconstruct", epilog=reconstruct.EPILOG, rich_help_panel=MEASURE)(reconstruct.reconstruct)
app.add_typer(bench.app, name="bench", rich_help_panel=MEASURE)
app.command("encode", epilog=encode.EPILOG, rich_help_panel=USE)(encode.encode)
app.command("decode", epilog=decode.EPILOG, rich_help_panel=USE)(decode.decode)
app.command("prior", epilog=prior.EPILOG, rich_help_panel=USE)(prior.prior)
app.command("publish", epilog=publish.EPILOG, rich_help_panel=USE)(publish.publish)
app.command("import-checkpoint", epilog=import_checkpoint.EPILOG, rich_help_panel=USE)(
    import_checkpoint.import_checkpoint
)
app.add_typer(runs.app, name="runs", rich_help_panel=KEEP)
app.add_typer(data.app, name="data", rich_help_panel=KEEP)
app.add_typer(tokens.app, name="tokens", rich_help_panel=KEEP)
app.add_typer(config.app, name="config", rich_help_panel=KEEP)
