"""`vqtool import-checkpoint`: a published VQGAN as a checkpoint of ours."""

from pathlib import Path
from typing import Annotated

import typer

from vqtool.cli import options

TENSORS = "Which tensors"
EPILOG = """Examples:

vqtool import-checkpoint last.ckpt --config model.yaml --output vqgan-f16

vqtool import-checkpoint vqgan.safetensors --resolution 256

vqtool reconstruct --checkpoint vqgan-f16 --input robot.mp4 --output robot.gif"""


def import_checkpoint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The torch or safetensors file.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="YAML", help="File with its ddconfig; default: the tensors' shapes."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder to write; default: FILE's name.")
    ] = None,
    resolution: Annotated[
        int | None, typer.Option("--resolution", min=8, help="Height and width of a frame; default: as in --config.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="NAME",
            rich_help_panel=TENSORS,
            help="Which network of the file, if there are several; default: the only one.",
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", rich_help_panel=TENSORS, help="Take the weights, not their moving average.")
    ] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="NAME", rich_help_panel=TENSORS, help="Leave these tensors out; repeat."),
    ] = None,
    set_: options.Set = None,
    debug: options.Debug = False,
) -> None:
    """Make a checkpoint folder of a published VQGAN (taming-transformers' names, or the 2022 project's).

    Only tensors are read from FILE, nothing in it is run. The folder is printed, what was assumed goes to stderr.
    """
    from vqtool.cli.console import printable, stderr_line
    from vqtool.core.config import ClassicConfig
    from vqtool.core.published.convert import Choices, import_checkpoint

    folder = output or Path(file.stem)
    choices = Choices(config, resolution, part, raw, tuple(ignore or ()), tuple(set_ or ()))
    imported = import_checkpoint(file, folder, choices)
    model = imported.config.model
    assert isinstance(model, ClassicConfig)  # what a published checkpoint is
    tokens = (model.resolution // model.downsampling) ** 2
    stderr_line(
        f"{imported.num_tensors} tensors fit: {model.resolution}x{model.resolution} frames, {tokens} tokens each"
    )
    for note in imported.notes:
        stderr_line(f"note: {note}")
    typer.echo(printable(str(folder)))
