"""`vqtool eval`: the scores of checkpoints, with free baselines beside them."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import completion, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vqtool.core.config import MetricName
    from vqtool.core.distributed import Processes
    from vqtool.evaluation.report import Report

EPILOG = """Examples:

vqtool eval --checkpoint runs/first --split test --report report

vqtool eval --checkpoint runs/first:best-psnr --data data/robonet64 --json

vqtool eval --checkpoint runs/first --checkpoint runs/second --metrics psnr,ssim

torchrun --nproc_per_node=4 -m vqtool eval --checkpoint runs/first"""


def evaluate(
    checkpoint: Annotated[
        list[str],
        typer.Option(
            "--checkpoint",
            metavar="RUN_OR_CHECKPOINT",
            autocompletion=completion.checkpoints,
            help="A run folder (its latest checkpoint), RUN:best-psnr, RUN:step-00000100, or a checkpoint folder; "
            "repeat to compare.",
        ),
    ],
    data: options.Store = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option("--split", help="Which clips.")] = "val",
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="DIR",
            help="Folder for report.md with pictures, report.json and scores.csv; default: none.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="NAME,NAME",
            autocompletion=completion.metrics,
            help="Only these, for example psnr,ssim; default: all whose weights are there.",
        ),
    ] = None,
    search: options.Search = 0,
    device: options.Device = "auto",
    set_: options.Set = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Print all metrics of a checkpoint, and those of the mean frame and of copying the previous frame.

    A static scene alone gives many dB: a model is worth its bits only beside these baselines.

    Intervals are 95 % bootstrap intervals over trajectories. Several checkpoints are compared clip by clip.
    """
    from vqtool.cli.processes import only_main_speaks
    from vqtool.core.distributed import joined_processes

    with joined_processes() as processes, only_main_speaks(processes):
        chosen = _metric_names(metrics)
        result = _evaluate(checkpoint, data, split, report, device, set_ or [], processes, chosen, search)
        if not processes.is_main:
            return
        if json_:
            import json

            from vqtool.evaluation.report_record import report_record

            typer.echo(json.dumps(report_record(result), indent=2))
        else:
            from vqtool.cli.eval_tables import print_report

            print_report(result)
        if report is not None:
            from vqtool.cli.console import printable, stderr_line

            stderr_line(printable(f"wrote {report / 'report.md'}"))


def _metric_names(names: str | None) -> "list[MetricName]":
    """The metrics in a list of names."""
    from vqtool.core.metrics import METRICS
    from vqtool.core.nearest import did_you_mean

    chosen = [name.strip().lower() for name in names.split(",")] if names else []
    for name in chosen:
        if name not in METRICS:
            hint = f"{did_you_mean(name, METRICS)} (there are {', '.join(METRICS)})"
            raise typer.BadParameter(f"no metric {name!r}{hint}", param_hint="--metrics")
    return [name for name in METRICS if name in chosen]


def _evaluate(
    names: list[str],
    data: Path | None,
    split: Literal["train", "val", "test"],
    folder: Path | None,
    device: str,
    overrides: list[str],
    processes: "Processes",
    metrics: "Sequence[MetricName]",
    search_steps: int,
) -> "Report":
    from vqtool.cli.console import progress
    from vqtool.core.checkpoint import load_config_of
    from vqtool.core.config_file import override_config
    from vqtool.core.device import choose_device
    from vqtool.data.store import FrameStore
    from vqtool.evaluation.report import common_store, evaluate_checkpoints
    from vqtool.evaluation.write_report import check_folder, write_report
    from vqtool.runs.checkpoints import find_checkpoint

    if not processes.is_main:
        logging.getLogger("vqtool").setLevel(logging.ERROR)
    paths = [find_checkpoint(name) for name in names]
    checkpoints = [(path, override_config(load_config_of(path), overrides)) for path in paths]
    store = FrameStore.open(data or common_store(checkpoints))
    if folder is not None:
        check_folder(folder)
    place = processes.place(choose_device(device))
    if not processes.is_main:
        return evaluate_checkpoints(checkpoints, store, split, place, None, processes, metrics, search_steps)
    with progress(f"evaluating {split}", "clips") as advance:
        result = evaluate_checkpoints(checkpoints, store, split, place, advance, processes, metrics, search_steps)
    if folder is not None:
        write_report(result, folder)
    return result
