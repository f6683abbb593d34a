"""`vqtool publish`: a folder to give away."""

from pathlib import Path
from typing import Annotated

import typer

from vqtool.cli import completion, options

EPILOG = """Examples:

vqtool publish runs/first robonet-tokenizer

vqtool publish runs/first:best-psnr robonet-tokenizer --license cc-by-4.0

The folder is what vqtool.load, vqtool eval --checkpoint and the other commands take."""


def publish(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            autocompletion=completion.checkpoints,
            help="A run folder (its latest checkpoint), RUN:best-psnr, or a checkpoint.",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; must not exist.")],
    license_: Annotated[
        str,
        typer.Option(
            "--license", metavar="NAME", help="Licence of the weights, for example apache-2.0; default: unknown."
        ),
    ] = "",
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a tokenizer as safetensors, TOML, checksums and a page with its scores: nothing that could run code."""
    import json

    from vqtool.cli.console import printable, stderr_line
    from vqtool.codec.publish import publish as run
    from vqtool.runs.checkpoints import find_checkpoint

    published = run(find_checkpoint(checkpoint), output, license_)
    if not license_:
        stderr_line("note: the page says that the licence is unknown; --license NAME states one")
    if json_:
        record = {"path": str(published.path), "tokenizer_sha256": published.sha256, "files": published.files}
        typer.echo(json.dumps(record, indent=2))
        return
    lines = [f"{published.path}: tokenizer {published.sha256}"]
    lines += [f"  {name:<18} {size:>13,} bytes" for name, size in published.files.items()]
    typer.echo(printable("\n".join(lines)))
