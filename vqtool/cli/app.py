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


app.command("fetch-weights", epilog=fetch_weights.EPILOG)(fetch_weights.fetch_weights)
app.command("preprocess", epilog=preprocess.EPILOG)(preprocess.preprocess)
app.command("train", epilog=train.EPILOG)(train.train)
app.command("eval", epilog=eval.EPILOG)(eval.evaluate)
app.command("reconstruct", epilog=reconstruct.EPILOG)(reconstruct.reconstruct)
app.command("import-checkpoint", epilog=import_checkpoint.EPILOG)(import_checkpoint.import_checkpoint)
app.command("encode", epilog=encode.EPILOG)(encode.encode)
app.command("decode", epilog=decode.EPILOG)(decode.decode)
app.command("prior", epilog=prior.EPILOG)(prior.prior)
app.command("publish", epilog=publish.EPILOG)(publish.publish)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.command("dash", epilog=dash.EPILOG)(dash.dash)
app.add_typer(bench.app, name="bench")
app.add_typer(runs.app, name="runs")
app.add_typer(data.app, name="data")
app.add_typer(tokens.app, name="tokens")
app.add_typer(config.app, name="config")
