"""`vqtool decode`: tokens to frames."""

from pathlib import Path
from typing import Annotated

import typer

from vqtool.cli import completion, options
from vqtool.cli.token_stores import Form, Split

TOKENS = "For a token store"
EPILOG = """Examples:

vqtool decode robot.vqt --checkpoint runs/first:best-psnr --output again.mp4

vqtool decode robot.vqt --checkpoint runs/first:best-psnr --output frames

vqtool decode data/tokens64 --split test --clips 4 --output decoded

vqtool decode data/tokens64 --clip traj7/cam0 --output traj7.mp4 --checkpoint runs/first

vqtool decode data/tokens64 --clip traj7/cam0 --format png --output frames"""


def decode(
    tokens: Annotated[Path, typer.Argument(metavar="FILE.vqt|TOKENS", help="What vqtool encode wrote.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE|DIR", help="A .mp4, .gif, .webp or (of one frame) .png, or a folder."
        ),
    ],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="RUN_OR_CHECKPOINT",
            autocompletion=completion.checkpoints,
            help="The tokenizer that encoded them; default: that which a token store names.",
        ),
    ] = None,
    clip: Annotated[
        list[str] | None,
        typer.Option("--clip", metavar="NAME", rich_help_panel=TOKENS, help="A clip of clips.csv; repeat."),
    ] = None,
    split: Annotated[
        Split, typer.Option("--split", rich_help_panel=TOKENS, help="Which clips, without --clip.")
    ] = "test",
    clips: Annotated[int, typer.Option("--clips", min=1, rich_help_panel=TOKENS, help="How many, without --clip.")] = 8,
    form: Annotated[
        Form, typer.Option("--format", rich_help_panel=TOKENS, help="Kind of the files in a folder.")
    ] = "mp4",
    fps: Annotated[
        float, typer.Option("--fps", min=0.1, max=1000, rich_help_panel=TOKENS, help="Frames a second.")
    ] = 6.0,
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Turn a .vqt file back into a video, or clips of a token store into videos or a picture a frame.

    A folder gets the pictures of a .vqt, or a file a clip of a store (--format png: a folder of pictures a clip).
    """
    from vqtool.cli.console import NOTHING_DONE, told_if_interrupted
    from vqtool.cli.token_stores import decode_store
    from vqtool.cli.vqt import decode_video

    with told_if_interrupted(lambda: NOTHING_DONE):
        if tokens.is_dir():
            decode_store(tokens, clip or [], split, clips, checkpoint, output, form, fps, device)
        elif checkpoint is None:
            raise typer.BadParameter(f"{tokens} needs --checkpoint RUN_OR_CHECKPOINT: the tokenizer that encoded it")
        else:
            decode_video(checkpoint, tokens, output, device)
