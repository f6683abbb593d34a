"""Text on the terminal: results to stdout, everything else to stderr; long work as a bar or as plain lines."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vqtool.core.text import clean

if TYPE_CHECKING:
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


def log_warnings() -> None:
    """Show what the library warns of on stderr, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("note: %(message)s"))
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("vqtool")
    logger.handlers = [old for old in logger.handlers if not isinstance(old, logging.StreamHandler)] + [handler]


def print_table(table: "Table") -> None:
    """A table on stdout, as wide as it needs where there is no terminal to fit into."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)


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
    started = time.monotonic()
    first: int | None = None
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task(description, total=None, rate="")

        def advance(done: int, total: int) -> None:
            nonlocal first
            first = max(done - 1, 0) if first is None else first
            rate = (done - first) / max(time.monotonic() - started, 1e-9)
            bar.update(task, completed=done, total=total, rate=f"{rate:,.1f}/s")

        yield advance


def _plain_lines(description: str, unit: str) -> Advance:
    started = time.monotonic()
    last = started
    first: int | None = None

    def advance(done: int, total: int) -> None:
        nonlocal last, first
        # What an earlier run did before the first call says nothing about the rate of this one.
        first = max(done - 1, 0) if first is None else first
        now = time.monotonic()
        if done < total and now - last < PLAIN_SECONDS:
            return
        last = now
        rate = (done - first) / max(now - started, 1e-9)
        eta = (total - done) / max(rate, 1e-9)
        stderr_line(f"{description}: {done}/{total} {unit}, {rate:,.1f} {unit}/s, {eta:,.0f} s left")

    return advance
