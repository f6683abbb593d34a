"""`vqtool dash`: watch a run in the terminal, or print its state."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vqtool.cli import completion, options

if TYPE_CHECKING:
    from vqtool.runs.folder import RunFolder

DEFAULT_DIR = Path("runs")
ALARM_EXIT_CODE = 3
MAX_OTHERS = 7
REPLAY_SECONDS = 0.2
ImageChoice = Literal["auto", "half", "kitty", "sixel", "none"]
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
    import os

    from vqtool.errors import VqtoolError
    from vqtool.runs.folder import find_run, list_runs

    path, *further = map(_named_run, paths or [DEFAULT_DIR])
    newest, others = find_run(path), [find_run(other) for other in further[:MAX_OTHERS]]
    if (once or json_) and further:
        raise VqtoolError("--once and --json print one run: call vqtool dash for each run")
    if len(further) > MAX_OTHERS:
        raise VqtoolError(f"{len(further) + 1} runs are more than can be told apart: give up to {MAX_OTHERS + 1}")
    if replay and (once or json_):
        raise typer.BadParameter("--replay is watched: leave out --once and --json")
    if once or json_:
        _print_state(newest, json_)
        return
    _check_terminal()
    from vqtool.dash.app import DashApp
    from vqtool.dash.images import choose_images

    mode = choose_images(images, os.environ)
    has_choice = newest.path != path and len(list(list_runs(path))) > 1 and not others and not replay
    with _replayed(newest, speed) if replay else nullcontext(newest) as run:
        DashApp(None if has_choice else run, path, mode, others=others).run()


def _named_run(path: Path) -> Path:
    """A run may be given by its name alone."""
    from vqtool.runs.find import find_named_run

    is_path = path.exists() or path == DEFAULT_DIR or len(path.parts) > 1
    return path if is_path else find_named_run(str(path), DEFAULT_DIR).path


@contextmanager
def _replayed(run: "RunFolder", speed: float) -> Iterator["RunFolder"]:
    """A copy of `run` in a temporary folder that grows in the background."""
    import tempfile
    import threading
    import time

    from vqtool.runs.folder import RunFolder
    from vqtool.runs.replay import Replay

    with tempfile.TemporaryDirectory(prefix="vqtool-replay-") as folder:
        replay = Replay(run, RunFolder(Path(folder) / run.name), speed)
        ended = threading.Event()

        def go_on() -> None:
            while replay.advance(time.time()) and not ended.wait(REPLAY_SECONDS):
                pass

        thread = threading.Thread(target=go_on, name=f"replay {run.name}", daemon=True)
        thread.start()
        try:
            yield replay.run
        finally:
            ended.set()
            thread.join()


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


def _check_terminal() -> None:
    import os
    import sys

    from vqtool.errors import VqtoolError

    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("TERM") == "dumb":
        raise VqtoolError("the dashboard needs a terminal: run it in one, or print the state with vqtool dash --once")
