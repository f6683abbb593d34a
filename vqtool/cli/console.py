"""Text on the terminal: results to stdout, everything else to stderr; long work as a bar or as plain lines."""

import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from vqtool.core.text import clean

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment
    from rich.table import Table

Advance = Callable[[int, int], None]
"""Called with (done, total) as work proceeds; total may grow."""

PLAIN_SECONDS = 10.0
NOTHING_DONE = "nothing was written yet; the same command does it all"
"""What to say of work that Ctrl-C ended before it began."""


def printable(text: str) -> str:
    """`text`, line by line, without what could drive the terminal: file names and messages come from anywhere."""
    return "\n".join(clean(line, max_characters=1 << 20) for line in text.split("\n"))


def stderr_line(text: str) -> None:
    """One message on stderr, never wrapped or interpreted."""
    print(printable(text), file=sys.stderr, flush=True)


def speak_any_encoding() -> None:
    """What the encoding of the terminal lacks is written as a number: in the C locale a dash must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback on stderr: it quotes messages, and messages quote file names."""
    import traceback

    stderr_line("".join(traceback.format_exception(kind, error, trace)).rstrip())


class _Notes(logging.Handler):
    """A warning of the library as a line on whatever stderr is at that moment: a progress bar may stand before it."""

    def emit(self, record: logging.LogRecord) -> None:
        stderr_line(f"note: {record.getMessage()}")


def log_warnings() -> None:
    """Show what the library warns of on stderr, a line each."""
    logger = logging.getLogger("vqtool")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes(logging.WARNING))


def print_table(table: "Table") -> None:
    """A table on stdout, as wide as it needs where there is no terminal to fit into."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(_Harmless(table))


class _Harmless:
    """A table whose cells, from whatever file they come, cannot drive the terminal: rich prints them as they are."""

    def __init__(self, table: "Table") -> None:
        self.table = table

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Segment]":
        for segment in console.render(self.table, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


@contextmanager
def told_if_interrupted(kept: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C within ends in one line on stderr, what `kept` says of the work and how to go on, and exit code 130."""
    import typer

    try:
        yield
    except KeyboardInterrupt:
        stderr_line(f"interrupted: {kept()}")
        raise typer.Exit(130) from None


@contextmanager
def progress(description: str, unit: str) -> Iterator[Advance]:
    """Show long work on stderr: a Rich bar with rate and ETA on a terminal, a line every ten seconds elsewhere."""
    if sys.stderr.isatty():
        with _bar(description, unit) as advance:
            yield advance
    else:
        yield _plain_lines(description, unit)


@contextmanager
def _bar(description: str, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    pace = _Pace()
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(description, total=None, rate="")

        def advance(done: int, total: int) -> None:
            rate = pace.rate(done)
            bar.update(task, completed=done, total=total, rate=f"{rate:,.1f}/s" if rate else "")

        yield advance


def _plain_lines(description: str, unit: str) -> Advance:
    pace = _Pace()
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        rate = pace.rate(done)
        if done < total and time.monotonic() - last < PLAIN_SECONDS:
            return
        last = time.monotonic()
        speed = f", {rate:,.1f} {unit}/s, {(total - done) / rate:,.0f} s left" if rate else ""
        stderr_line(f"{description}: {done}/{total} {unit}{speed}")

    return advance


class _Pace:
    """How fast work goes on after its first report: what came before may be an earlier run's."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def rate(self, done: int) -> float | None:
        """Pieces a second, or None as long as nothing tells."""
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        before, since = self._first
        return (done - before) / (now - since) if done > before and now > since else None
