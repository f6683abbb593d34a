"""Opening the dashboard: what `vqtool dash` does with its arguments, without the command line's own imports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vqtool.errors import VqtoolError

if TYPE_CHECKING:
    from vqtool.runs.folder import RunFolder

DEFAULT_DIR = Path("runs")
MAX_OTHERS = 7
REPLAY_SECONDS = 0.2
ImageChoice = Literal["auto", "half", "kitty", "sixel", "none"]


def has_paths_only(arguments: Sequence[str]) -> bool:
    """Whether the command line is `dash` and paths: then nothing of it needs Typer, a quarter of the start."""
    return arguments[:1] == ["dash"] and not any(argument.startswith("-") for argument in arguments)


def named_runs(paths: Sequence[Path]) -> tuple[Path, list["RunFolder"]]:
    """The first path, and the runs that the paths mean, the newest of a folder of runs.

    Raises:
        VqtoolError: no run there, or more than can be told apart.
    """
    from vqtool.runs.folder import find_run

    if len(paths) > MAX_OTHERS + 1:
        raise VqtoolError(f"{len(paths)} runs are more than can be told apart: give up to {MAX_OTHERS + 1}")
    found = [_named_run(path) for path in paths or [DEFAULT_DIR]]
    return found[0], [find_run(path) for path in found]


def watch(paths: Sequence[Path], images: ImageChoice = "auto", replay_speed: float | None = None) -> None:
    """Show the runs in the terminal until the user quits; with `replay_speed` the first happens again, so fast.

    Raises:
        VqtoolError: no such run, or no terminal to show it in.
    """
    import gc
    import os
    import sys

    from vqtool.runs.folder import list_runs

    path, (newest, *others) = named_runs(paths)
    _check_terminal()
    gc.disable()  # nothing of what is imported is garbage: not looking for it saves a twentieth
    from vqtool.dash.app import DashApp
    from vqtool.dash.images import choose_images

    gc.freeze()
    gc.enable()

    mode = choose_images(images, os.environ)
    replays = replay_speed is not None
    has_choice = newest.path != path and len(list(list_runs(path))) > 1 and not others and not replays
    with _replayed(newest, replay_speed) if replay_speed is not None else nullcontext(newest) as run:
        app = DashApp(None if has_choice else run, path, mode, others=others)
        app.run()
    if app.return_code:
        sys.exit(app.return_code)


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


def _check_terminal() -> None:
    import os
    import sys

    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("TERM") == "dumb":
        raise VqtoolError("the dashboard needs a terminal: run it in one, or print the state with vqtool dash --once")
