"""`vqtool encode`: frames to tokens."""

from pathlib import Path
from typing import Annotated

import typer

from vqtool.cli import options

EPILOG = """Examples:

vqtool encode robot.mp4 --checkpoint runs/first:best-psnr --output robot.vqt

vqtool encode wide.mp4 --tile --checkpoint runs/first --output wide.vqt"""


def encode(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Video file.")],
    checkpoint: options.Checkpoint,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.vqt", help="File to write.")],
    tile: Annotated[
        bool, typer.Option("--tile", help="Keep the frames' size, as tiles of the model's frame; default: resize.")
    ] = False,
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Turn a video of any length into a small .vqt file of entropy-coded tokens."""
    from vqtool.cli.vqt import encode_video

    encode_video(checkpoint, video, output, tile, device)
