"""`vqtool bench rd`: what a tokenizer's bits are worth beside video and picture codecs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.codec.tokenizer import LoadedTokenizer
    from vqtool.core.config import MetricName
    from vqtool.data import Frames
    from vqtool.data.windows import Windows
    from vqtool.evaluation.codecs import Codec
    from vqtool.evaluation.rate_distortion import RatePoint

app = typer.Typer(no_args_is_help=True, help="Measure tokenizers beside other ways of coding video.")
FIXED, CODED = "fixed length", "entropy-coded"
EPILOG = """Examples:

vqtool bench rd --checkpoint runs/first:best-psnr --data data/robonet64 --output rd

vqtool bench rd --checkpoint runs/first --clips 16 --clip-frames 24 --json

`vqtool prior --checkpoint runs/first` first lets the entropy coder know which codes are frequent."""


@app.callback()
def _bench() -> None:
    """Measure tokenizers beside other ways of coding video."""


@app.command(epilog=options.epilog(EPILOG))
def rd(
    checkpoint: options.Checkpoint,
    data: options.Store = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option("--split", help="Which clips.")] = "test",
    clips: Annotated[int, typer.Option("--clips", min=1, help="How many, evenly spread over the split.")] = 32,
    clip_frames: Annotated[
        int | None, typer.Option("--clip-frames", min=2, help="Frames of a clip; default: eval.clip_frames.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder for rd.csv, rd.json and rd.png; default: none."),
    ] = None,
    device: options.Device = "auto",
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Compare rate and distortion with x264, x265, SVT-AV1, JPEG and WebP on the same clips.

    Bits are payload alone: coded slices without parameter sets, tokens without the tokenizer, whole picture files.
    Codecs see halved colour resolution, as video usually has it.
    """
    import json

    from vqtool.cli.console import printable
    from vqtool.codec.tokenizer import load
    from vqtool.data.store import FrameStore
    from vqtool.data.windows import evaluation_windows
    from vqtool.evaluation.codecs import published_codecs
    from vqtool.evaluation.rate_distortion import rates_record, verdict
    from vqtool.evaluation.report import check_resolution

    tokenizer = load(checkpoint, device)
    store = FrameStore.open(data or Path(tokenizer.config.data.store))
    check_resolution(tokenizer.model, store)
    windows = evaluation_windows(store, split, clip_frames or tokenizer.config.eval.clip_frames, clips)
    points = _measure(tokenizer, published_codecs(tokenizer.resolution), windows)
    if output is not None:
        _write(points, output)
    if json_:
        typer.echo(
            json.dumps({"clips": len(windows), "clip_frames": windows.clip_frames, "points": rates_record(points)})
        )
        return
    _print(points)
    own = [point for point in points if point.name == "vqtool"]
    published = [point for point in points if point.name != "vqtool"]
    for point in own:
        typer.echo(printable(verdict(point, published)))


def _measure(tokenizer: LoadedTokenizer, codecs: dict[tuple[str, str], Codec], windows: Windows) -> list[RatePoint]:
    from dataclasses import replace

    from vqtool.cli.console import progress
    from vqtool.codec.rate import ClipCoder
    from vqtool.evaluation.codecs import Coded
    from vqtool.evaluation.rate_distortion import measure_rates
    from vqtool.weights.networks import has_weights, load_networks

    coder = ClipCoder(tokenizer)
    entropy_bits = 0.0

    def code(frames: Frames) -> Coded:
        nonlocal entropy_bits
        fake, fixed, coded = coder.code(frames)
        entropy_bits += coded
        return Coded(fake, fixed)

    metrics: list[MetricName] = ["psnr", "ssim"]
    if has_weights("lpips"):
        metrics.append("lpips")
    networks = load_networks(metrics, tokenizer.device)
    with progress("coding", "clips") as advance:
        points = measure_rates({("vqtool", FIXED): code, **codecs}, windows, metrics, networks, advance)
    coded = replace(points[0], setting=CODED, bits_per_frame=entropy_bits / (len(windows) * windows.clip_frames))
    return [coded, *points]


def _print(points: list[RatePoint]) -> None:
    import math

    from vqtool.cli.console import print_table
    from vqtool.cli.eval_tables import plain_table

    table = plain_table()
    table.add_column("")
    table.add_column("setting")
    for head in ("bits/frame", "bytes/frame", *(name.upper() for name in points[0].scores)):
        table.add_column(head, justify="right")
    for point in points:
        bits = ["", ""]
        if not math.isnan(point.bits_per_frame):
            bits = [f"{point.bits_per_frame:,.1f}", f"{point.bits_per_frame / 8:,.1f}"]
        scores = [f"{score:.2f}" if name == "psnr" else f"{score:.3f}" for name, score in point.scores.items()]
        table.add_row(point.name, point.setting, *bits, *scores)
    print_table(table)


def _write(points: list[RatePoint], folder: Path) -> None:
    import json

    import imageio.v3 as iio

    from vqtool.core.atomic import explained_os_errors, write_atomic
    from vqtool.evaluation.rate_distortion import rates_csv, rates_plot, rates_record

    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "rd.csv", rates_csv(points))
    write_atomic(folder / "rd.png", iio.imwrite("<bytes>", rates_plot(points), extension=".png"))
    write_atomic(folder / "rd.json", json.dumps(rates_record(points), indent=2) + "\n")
