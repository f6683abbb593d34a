"""`vqtool dash`: watch a run in the terminal, or print its state."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vqtool.cli import completion, options
from vqtool.cli.watch import ImageChoice

if TYPE_CHECKING:
    from vqtool.runs.folder import RunFolder

ALARM_EXIT_CODE = 3
EPILOG = """Examples:

vqtool dash

vqtool dash runs/first

vqtool dash runs/first runs/second

vqtool dash runs/first --once

vqtool dash runs/first --replay --speed 50

vqtool dash --json"""


def dash(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN_OR_RUNS_DIR...",
            autocompletion=completion.run_paths,
            help="A run, or a folder of runs (default: runs). Of further runs the curves are drawn too.",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print the state as text and exit; exit code 3 on an alarm.")
    ] = False,
    json_: options.Json = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Let a recorded run happen again, in a temporary folder; needs a run.")
    ] = False,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, max=100_000, help="With --replay: times as fast.")
    ] = 10.0,
    images: Annotated[
        ImageChoice,
        typer.Option(
            "--images", help="How to draw pictures; auto: kitty where the terminal says it is one, else half blocks."
        ),
    ] = "auto",
    debug: options.Debug = False,
) -> None:
    """Watch a training run: curves, previews, codebook, log. Reads the run folder only: live, finished or copied."""
    from vqtool.cli.watch import named_runs, watch
    from vqtool.errors import VqtoolError

    if not (once or json_):
        watch(paths or [], images, speed if replay else None)
        return
    _, (run, *others) = named_runs(paths or [])
    if others:
        raise VqtoolError("--once and --json print one run: call vqtool dash for each run")
    if replay:
        raise typer.BadParameter("--replay is watched: leave out --once and --json")
    _print_state(run, json_)


def _print_state(run: "RunFolder", as_json: bool) -> None:
    import json
    import time

    from vqtool.cli.console import printable
    from vqtool.dash.state import read_run
    from vqtool.dash.summary import summarise, summary_lines

    run.read_status()
    now = time.time()
    summary = summarise(read_run(run, now), now)
    text = json.dumps(summary.json_object(), indent=2) if as_json else "\n".join(summary_lines(summary))
    typer.echo(printable(text))
    if summary.alarms:
        raise typer.Exit(ALARM_EXIT_CODE)
