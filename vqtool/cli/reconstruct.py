"""`vqtool reconstruct`: look at what the tokens keep."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.core.config import Config
    from vqtool.core.tokenizers import Tokenizer
    from vqtool.data.store import Split
    from vqtool.evaluation.evaluate import Reconstruct
    from vqtool.evaluation.reconstruct import Pair

STORE, VIDEO = "For clips of a frame store", "For video files"
EPILOG = """Examples:

vqtool reconstruct --checkpoint runs/first --split test --clips 8 --output reconstructions

vqtool reconstruct --checkpoint runs/first --input robot.mp4 --output robot.gif

vqtool reconstruct --checkpoint runs/first --caption --output pictures --input *.mp4 more-videos

cat robot.mp4 | vqtool reconstruct --checkpoint runs/first --input - --output robot.mp4

Below each clip `--caption` writes the bits a frame of its tokens, at a fixed length each, and its PSNR."""


def reconstruct(
    checkpoint: options.Checkpoint,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR|FILE", help="A folder, or one .gif, .mp4 or .png file.")
    ],
    more: Annotated[list[Path] | None, typer.Argument(metavar="VIDEO", help="More of --input.")] = None,
    input_: Annotated[
        list[Path] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="VIDEO",
            help="Video, PNG or JPEG, folder of these, or - for stdin; repeat. Default: clips of --data.",
        ),
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
        int | None,
        typer.Option("--max-frames", min=1, rich_help_panel=VIDEO, help="Frames of each video; default: all."),
    ] = None,
    scale: Annotated[int, typer.Option("--scale", min=1, max=16, help="Enlarge pixels this many times.")] = 3,
    caption: Annotated[bool, typer.Option("--caption", help="Write bits a frame and PSNR below each clip.")] = False,
    search: options.Search = 0,
    device: options.Device = "auto",
    debug: options.Debug = False,
) -> None:
    """Write input | reconstruction | error side by side.

    A folder gets a GIF, an MP4 and a PNG strip of each clip; a file gets all clips below each other.
    """
    from vqtool.cli.console import printable, progress
    from vqtool.core.checkpoint import load_model
    from vqtool.core.device import choose_device
    from vqtool.evaluation.evaluate import reconstructor_of
    from vqtool.evaluation.write_pairs import check_output, write_folder, write_one_file
    from vqtool.runs.checkpoints import find_checkpoint

    check_output(output)
    chosen = choose_device(device)
    model, config = load_model(find_checkpoint(checkpoint), chosen)
    compute = reconstructor_of(model, config, chosen, search)
    problems: list[str] = []
    inputs = [*(input_ or []), *(more or [])]
    if inputs:
        total, pairs = _from_inputs(model, inputs, compute, max_frames, problems)
    else:
        total, pairs = _from_store(model, config, data, split, clips, compute)
    kept, lines, written = [], [], []
    with progress("reconstructing", "clips") as advance:
        for number, pair in enumerate(pairs, start=1):
            length = "1 frame" if len(pair.real) == 1 else f"{len(pair.real):,} frames"
            lines.append(f"{pair.name}: {length}, PSNR {pair.psnr_db:.2f} dB")
            if output.suffix:
                kept.append(pair)
            else:
                written += write_folder([pair], output, scale, caption)
            advance(number, total)
    if kept:
        written = write_one_file(kept, output, scale, caption)
    if lines:
        lines.append(f"wrote {', '.join(str(path) for path in written[:3])}{' ...' if len(written) > 3 else ''}")
        typer.echo(printable("\n".join(lines)))
    if problems:
        _refuse(problems, total)


def _from_inputs(
    model: "Tokenizer", given: list[Path], compute: "Reconstruct", max_frames: int | None, problems: list[str]
) -> tuple[int, Iterator["Pair"]]:
    """How many inputs there are, and a pair of each that can be read; what cannot is told and goes to `problems`.

    Raises:
        DataError: the only input cannot be read.
    """
    import sys

    from vqtool.cli.console import stderr_line
    from vqtool.data.inputs import find_inputs
    from vqtool.errors import DataError
    from vqtool.evaluation.reconstruct import reconstruct_input

    inputs, wrong = find_inputs(given)
    piped = None if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer
    is_only_one = len(inputs) + len(wrong) == 1

    def tell(problem: str) -> None:
        if is_only_one:
            raise DataError(problem)
        problems.append(problem)
        stderr_line(f"error: {problem}")

    def pairs() -> Iterator["Pair"]:
        for problem in wrong:
            tell(problem)
        for source in inputs:
            try:
                yield reconstruct_input(model, source, compute, max_frames, piped)
            except DataError as error:
                tell(str(error))

    return len(inputs) + len(wrong), pairs()


def _from_store(
    model: "Tokenizer", config: "Config", data: Path | None, split: "Split", clips: int, compute: "Reconstruct"
) -> tuple[int, Iterator["Pair"]]:
    from vqtool.data.store import FrameStore
    from vqtool.data.windows import evaluation_windows
    from vqtool.evaluation.reconstruct import reconstruct_windows
    from vqtool.evaluation.report import check_resolution

    store = FrameStore.open(data or Path(config.data.store))
    check_resolution(model, store)
    windows = evaluation_windows(store, split, config.eval.clip_frames, clips)
    return len(windows), reconstruct_windows(model, windows, compute)


def _refuse(problems: list[str], total: int) -> None:
    """Exit 1 where some of many inputs could not be read."""
    from vqtool.errors import DataError

    rest = "the others are done" if len(problems) < total else "nothing was written"
    raise DataError(f"{len(problems)} of {total} inputs could not be read (named above); {rest}")
