"""`vqtool eval`: the scores of checkpoints, with free baselines beside them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import options

if TYPE_CHECKING:
    from vqtool.core.distributed import Processes
    from vqtool.evaluation.report import Report

EPILOG = """Examples:

vqtool eval --checkpoint runs/first --split test --report report

vqtool eval --checkpoint runs/first:best-psnr --data data/robonet64 --json

vqtool eval --checkpoint runs/first --checkpoint runs/second

torchrun --nproc_per_node=4 -m vqtool eval --checkpoint runs/first"""


def evaluate(
    checkpoint: Annotated[
        list[str],
        typer.Option(
            "--checkpoint",
            metavar="RUN_OR_CHECKPOINT",
            help="A run folder (its latest checkpoint), RUN:best-psnr, RUN:step-00000100, or a checkpoint folder; "
            "repeat to compare.",
        ),
    ],
    data: options.Store = None,
    split: Annotated[Literal["train", "val", "test"], typer.Option("--split", help="Which clips.")] = "val",
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write report.md with pictures, report.json and scores.csv."),
    ] = None,
    device: options.Device = "auto",
    set_: options.Set = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Print all metrics of a checkpoint, and those of the mean frame and of copying the previous frame.

    A static scene alone gives many dB: a model is worth its bits only beside these baselines.

    Intervals are 95 % bootstrap intervals over trajectories. Several checkpoints are compared clip by clip.
    """
    from vqtool.core.distributed import joined_processes

    with joined_processes() as processes, _only_main_speaks(processes):
        result = _evaluate(checkpoint, data, split, report, device, set_ or [], processes)
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


def _evaluate(
    names: list[str],
    data: Path | None,
    split: Literal["train", "val", "test"],
    folder: Path | None,
    device: str,
    overrides: list[str],
    processes: "Processes",
) -> "Report":
    from vqtool.cli.console import log_warnings, progress
    from vqtool.core.checkpoint import load_config_of
    from vqtool.core.config_file import override_config
    from vqtool.core.device import choose_device
    from vqtool.data.store import FrameStore
    from vqtool.evaluation.report import common_store, evaluate_checkpoints
    from vqtool.evaluation.write_report import check_folder, write_report
    from vqtool.runs.checkpoints import find_checkpoint

    if processes.is_main:
        log_warnings()
    else:
        logging.getLogger("vqtool").addHandler(logging.NullHandler())
    paths = [find_checkpoint(name) for name in names]
    checkpoints = [(path, override_config(load_config_of(path), overrides)) for path in paths]
    store = FrameStore.open(data or common_store(checkpoints))
    if folder is not None:
        check_folder(folder)
    place = processes.place(choose_device(device))
    if not processes.is_main:
        return evaluate_checkpoints(checkpoints, store, split, place, processes=processes)
    with progress(f"evaluating {split}", "clips") as advance:
        result = evaluate_checkpoints(checkpoints, store, split, place, advance, processes)
    if folder is not None:
        write_report(result, folder)
    return result


@contextmanager
def _only_main_speaks(processes: "Processes") -> Iterator[None]:
    """A mistake that every process finds is told once."""
    from vqtool.errors import VqtoolError

    try:
        yield
    except VqtoolError:
        if processes.is_main:
            raise
        raise typer.Exit(1) from None
