"""`vqtool encode`: frames to tokens."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.codec.encode_store import EncodedStore
    from vqtool.core.distributed import Processes

EPILOG = """Examples:

vqtool encode --checkpoint runs/first:best-psnr --data data/robonet64 --output data/tokens64

torchrun --nproc_per_node=4 -m vqtool encode --checkpoint runs/first --data data/robonet64 --output data/tokens64

vqtool tokens export data/tokens64 --format raw --output exported

Killed, interrupted or out of space, the same command continues where it was, with any number of processes, and makes
the same bytes."""


def encode(
    checkpoint: options.Checkpoint,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Token store to write.")],
    data: options.Store = None,
    batch_frames: Annotated[
        int | None, typer.Option("--batch-frames", min=1, help="Frames at once; default 64, on a GPU 512.")
    ] = None,
    device: options.Device = "auto",
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Turn a whole frame store into a token store, for training a second stage.

    States and actions come along; vqtool.data.TokenClips reads it in batches.
    """
    from vqtool.cli.processes import only_main_speaks
    from vqtool.core.distributed import joined_processes

    with joined_processes() as processes, only_main_speaks(processes):
        result = _encode(checkpoint, data, output, batch_frames, device, processes)
        if processes.is_main:
            _print(result, json_)


def _encode(
    checkpoint: str,
    data: Path | None,
    output: Path,
    batch_frames: int | None,
    device: str,
    processes: "Processes",
) -> "EncodedStore":
    from vqtool.cli.console import progress
    from vqtool.codec.encode_store import StoreEncoder
    from vqtool.codec.tokenizer import load_folder
    from vqtool.core.device import choose_device
    from vqtool.data.store import FrameStore
    from vqtool.runs.checkpoints import find_checkpoint

    tokenizer = load_folder(find_checkpoint(checkpoint), processes.place(choose_device(device)))
    store = FrameStore.open(data or Path(tokenizer.config.data.store))
    encoder = StoreEncoder(tokenizer, store, output, checkpoint, batch_frames)
    if not processes.is_main:
        return encoder.run(processes=processes)
    with progress("encoding", "frames") as advance:
        return encoder.run(advance, processes)


def _print(result: "EncodedStore", as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from vqtool.cli.console import printable
    from vqtool.cli.tokens import describe

    if as_json:
        record = {
            "store": str(result.path),
            "metadata": asdict(result.info),
            "frames": result.num_frames,
            "resumed_frames": result.num_resumed_frames,
            "seconds": round(result.seconds, 3),
            "frames_per_second": round(result.frames_per_second, 1),
        }
        typer.echo(json.dumps(record, indent=2))
        return
    speed = f"{result.seconds:,.1f} s, {result.frames_per_second:,.0f} frames/s"
    if result.num_resumed_frames:
        speed += f", and {result.num_resumed_frames:,} frames that were done before"
    typer.echo(printable("\n".join([*describe(result.path, result.info), speed])))
