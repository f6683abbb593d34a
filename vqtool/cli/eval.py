"""`vqtool eval`: the scores of a checkpoint, with free baselines beside it."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.evaluation.report import Report

EPILOG = """Examples:

vqtool eval --checkpoint runs/first --split test

vqtool eval --checkpoint runs/first:best-psnr --data data/robonet64 --json"""


def evaluate(
    checkpoint: options.Checkpoint,
    data: options.Store = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option("--split", help="Which clips.")] = "val",
    device: options.Device = "auto",
    set_: options.Set = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Print all metrics of a checkpoint, and those of the mean frame and of copying the previous frame.

    A static scene alone gives many dB: a model is worth its bits only beside these baselines.
    """
    from pathlib import Path

    from vqtool.cli.console import log_warnings, progress
    from vqtool.core.checkpoint import load_config_of
    from vqtool.core.config_file import override_config
    from vqtool.core.device import choose_device
    from vqtool.data.store import FrameStore
    from vqtool.evaluation.report import evaluate_checkpoint
    from vqtool.runs.checkpoints import find_checkpoint

    log_warnings()
    folder = find_checkpoint(checkpoint)
    config = override_config(load_config_of(folder), set_ or [])
    store = FrameStore.open(data or Path(config.data.store))
    with progress(f"evaluating {split}", "clips") as advance:
        report = evaluate_checkpoint(folder, store, split, choose_device(device), config, advance)
    if json_:
        import json

        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        _print_table(report)


def _print_table(report: "Report") -> None:
    from rich.table import Table

    from vqtool.cli.console import print_table, printable
    from vqtool.core.metrics import METRICS

    facts = report.to_json()
    table = Table(title=f"{facts['split']}: {facts['clips']} clips, {facts['frames']} frames", title_justify="left")
    table.add_column("")
    names = list(report.model.scores)
    for metric in (metric for name, metric in METRICS.items() if name in names):
        unit = f" {metric.unit}" if metric.unit else ""
        table.add_column(f"{metric.name.upper()}{unit} {'↑' if metric.higher_is_better else '↓'}", justify="right")
    for name, row in report.rows.items():
        table.add_row(name, *(_format(row.scores[metric]) for metric in names))
    print_table(table)
    codebook = facts["codebook"]
    typer.echo(
        f"{facts['tokens_per_frame']} tokens a frame: {facts['bits_per_frame']:.0f} bits, "
        f"{facts['entropy_bits_per_frame']:.1f} bits of entropy; "
        f"{codebook['used']} of {codebook['size']} codes used, perplexity {codebook['perplexity']:.0f}"
    )
    typer.echo(printable(f"checkpoint {facts['checkpoint']}, {facts['frames_per_second']:.0f} frames/s"))


def _format(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"
