"""`vqtool decode`: tokens to frames."""

from pathlib import Path
from typing import Annotated

import typer

from vqtool.cli import options

EPILOG = """Examples:

vqtool decode robot.vqt --checkpoint runs/first:best-psnr --output robot.mp4

vqtool decode robot.vqt --checkpoint runs/first:best-psnr --output frames"""


def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE.vqt", help="File that vqtool encode wrote.")],
    checkpoint: options.Checkpoint,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="A .mp4, .gif or .webp file, or a folder of PNGs."),
    ],
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Turn a .vqt file back into a video, by the tokenizer that encoded it."""
    from vqtool.cli.vqt import decode_video

    decode_video(checkpoint, file, output, device)
