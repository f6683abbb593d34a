"""`vqtool encode`: frames to tokens."""

from pathlib import Path
from typing import Annotated

import typer

from vqtool.cli import options

VIDEO, STORE = "For a video", "For a frame store"
EPILOG = """Examples:

vqtool encode robot.mp4 --checkpoint runs/first:best-psnr --output robot.vqt

vqtool encode wide.mp4 --tile --checkpoint runs/first --output wide.vqt

vqtool encode --checkpoint runs/first:best-psnr --data data/robonet64 --output data/tokens64

torchrun --nproc_per_node=4 -m vqtool encode --checkpoint runs/first --data data/robonet64 --output data/tokens64

A store: killed, interrupted or out of space, the same command continues where it was, with any number of processes, and
makes the same bytes. `vqtool tokens export` turns it into other forms."""


def encode(
    checkpoint: options.Checkpoint,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.vqt|DIR", help="File, or token store, to write.")
    ],
    video: Annotated[Path | None, typer.Argument(metavar="VIDEO", help="Video file; without it, a store.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="STORE", rich_help_panel=STORE, help="Frame store; default: data.store of the config."
        ),
    ] = None,
    tile: Annotated[
        bool,
        typer.Option(
            "--tile", rich_help_panel=VIDEO, help="Keep the frames' size, as tiles of the model's frame; else resized."
        ),
    ] = False,
    batch_frames: Annotated[
        int | None,
        typer.Option("--batch-frames", min=1, rich_help_panel=STORE, help="Frames at once; default: 64, on a GPU 512."),
    ] = None,
    search: options.Search = 0,
    device: options.Device = "auto",
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Turn a video into a small .vqt file, or a frame store into a token store for a second stage.

    A token store keeps states and actions; vqtool.data.TokenClips reads it in batches.
    """
    from vqtool.cli.console import NOTHING_DONE, told_if_interrupted
    from vqtool.cli.token_stores import encode_store
    from vqtool.cli.vqt import encode_video

    if video is None and tile:
        raise typer.BadParameter("--tile is for a VIDEO: a store's frames have the model's size")
    if video is not None and (data is not None or batch_frames is not None or json_):
        raise typer.BadParameter("--data, --batch-frames and --json are for a store: leave them or VIDEO out")
    with told_if_interrupted(lambda: NOTHING_DONE):
        if video is None:
            encode_store(checkpoint, data, output, batch_frames, device, json_, search)
        else:
            encode_video(checkpoint, video, output, tile, device, search)
