"""`vqtool prior`: what entropy coding should know of a tokenizer before a video."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.data import Frames

EPILOG = """Examples:

vqtool prior --checkpoint runs/first:best-psnr --data data/robonet64

vqtool prior --checkpoint runs/first --clips 1000 --clip-frames 12"""


def prior(
    checkpoint: options.Checkpoint,
    data: options.Store = None,
    clips: Annotated[int, typer.Option("--clips", min=1, help="Clips of the train split, evenly spread.")] = 256,
    clip_frames: Annotated[
        int, typer.Option("--clip-frames", min=1, help="Frames of each; at most those of the longest video.")
    ] = 24,
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Count codes on the train split, for smaller .vqt files; stored beside the weights.

    A .vqt decodes only with the prior that it was encoded with, so there is one for good; files that were encoded
    without one still decode.
    """
    import numpy as np

    from vqtool.cli.console import printable, progress
    from vqtool.codec.prior import check_no_prior, learn_prior, save_prior
    from vqtool.codec.tokenizer import load
    from vqtool.data.store import FrameStore
    from vqtool.data.windows import evaluation_windows
    from vqtool.evaluation.report import check_resolution

    tokenizer = load(checkpoint, device)
    store = FrameStore.open(data or Path(tokenizer.config.data.store))
    check_resolution(tokenizer.model, store)
    check_no_prior(tokenizer)
    windows = evaluation_windows(store, "train", clip_frames, clips, "--clip-frames")
    with progress("counting", "clips") as advance:

        def frames() -> Iterator["Frames"]:
            for number in range(len(windows)):
                yield windows.gather(np.array([number]))[0]
                advance(number + 1, len(windows))

        path = save_prior(tokenizer, learn_prior(tokenizer, frames()))
    typer.echo(printable(f"wrote {path}"))
