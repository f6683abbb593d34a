"""`vqtool reconstruct`: look at what the tokens keep."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    import torch

    from vqtool.core.config import Config
    from vqtool.core.tokenizers import Tokenizer
    from vqtool.data.store import Split
    from vqtool.evaluation.reconstruct import Pair

STORE, VIDEO = "For clips of a frame store", "For video files"
EPILOG = """Examples:

vqtool reconstruct --checkpoint runs/first --split test --clips 8 --output reconstructions

vqtool reconstruct --checkpoint runs/first --input robot.mp4 --output robot.gif"""


def reconstruct(
    checkpoint: options.Checkpoint,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR|FILE", help="A folder, or one .gif, .mp4 or .png file.")
    ],
    input_: Annotated[
        list[Path] | None,
        typer.Option("--input", "-i", metavar="VIDEO", help="Video file; repeat. Default: clips of --data."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="STORE", rich_help_panel=STORE, help="Frame store; default: data.store of the config."
        ),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"], typer.Option("--split", rich_help_panel=STORE, help="Which clips.")
    ] = "test",
    clips: Annotated[
        int, typer.Option("--clips", min=1, rich_help_panel=STORE, help="How many, evenly spread over the split.")
    ] = 8,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", min=1, rich_help_panel=VIDEO, help="Frames of a file; default: all.")
    ] = None,
    scale: Annotated[int, typer.Option("--scale", min=1, max=16, help="Enlarge pixels this many times.")] = 3,
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Write input | reconstruction | error side by side.

    A folder gets a GIF, an MP4 and a PNG strip of each clip; a file gets all clips below each other.
    """
    from vqtool.cli.console import printable, progress
    from vqtool.core.checkpoint import load_model
    from vqtool.core.device import choose_device, choose_precision
    from vqtool.evaluation.write_pairs import check_output, write_folder, write_one_file
    from vqtool.runs.checkpoints import find_checkpoint

    check_output(output)
    chosen = choose_device(device)
    model, config = load_model(find_checkpoint(checkpoint), chosen)
    precision = choose_precision(config.train.precision, chosen)
    if input_:
        total, pairs = len(input_), _from_videos(model, input_, precision, max_frames)
    else:
        total, pairs = _from_store(model, config, data, split, clips, precision)
    with progress("reconstructing", "clips") as advance:
        done = []
        for number, pair in enumerate(pairs, start=1):
            done.append(pair)
            advance(number, total)
    written = write_one_file(done, output, scale) if output.suffix else write_folder(done, output, scale)
    for pair in done:
        typer.echo(printable(f"{pair.name}: {len(pair.real)} frames, PSNR {pair.psnr_db:.2f} dB"))
    typer.echo(printable(f"wrote {', '.join(str(path) for path in written[:3])}{' ...' if len(written) > 3 else ''}"))


def _from_videos(
    model: "Tokenizer", videos: list[Path], precision: "torch.dtype", max_frames: int | None
) -> Iterator["Pair"]:
    from vqtool.evaluation.reconstruct import reconstruct_video

    for path in videos:
        yield reconstruct_video(model, path, precision, max_frames)


def _from_store(
    model: "Tokenizer", config: "Config", data: Path | None, split: "Split", clips: int, precision: "torch.dtype"
) -> tuple[int, Iterator["Pair"]]:
    from vqtool.data.store import FrameStore
    from vqtool.data.windows import evaluation_windows
    from vqtool.evaluation.reconstruct import reconstruct_windows
    from vqtool.evaluation.report import check_resolution

    store = FrameStore.open(data or Path(config.data.store))
    check_resolution(model, store)
    windows = evaluation_windows(store, split, config.eval.clip_frames, clips)
    return len(windows), reconstruct_windows(model, windows, precision)
