"""A training run on the terminal: a live line where there is one, plain lines elsewhere, and what to do next."""

import faulthandler
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from shlex import quote

import typer

from vqtool.cli.console import PLAIN_SECONDS, printable, stderr_line
from vqtool.core.atomic import explained_os_errors
from vqtool.training.describe import describe, describe_numbers
from vqtool.training.evaluator import Evaluated
from vqtool.training.session import Ended, Session
from vqtool.training.trainer import StepResult

LIVE_SECONDS = 0.25


def show(session: Session) -> int | None:
    """Run `session` to its end, showing it; the number of the signal that stopped it, or None."""
    run = session.run
    stderr_line(f"run {run.path}: watch it with `vqtool dash {quote(str(run.path))}` in another terminal")
    with ExitStack() as stack:
        _log_to_file(session, stack)
        line = stack.enter_context(_LiveLine(session.total_steps))
        last_scores: Evaluated | None = None
        for happening in session.happenings():
            if isinstance(happening, StepResult):
                line.step(happening, session.share_done, _more(session.last_numbers, last_scores))
                continue
            line.print(describe(happening))
            logging.getLogger("vqtool").info(describe(happening))
            if isinstance(happening, Evaluated):
                last_scores = happening
            if isinstance(happening, Ended):
                ended = happening
    _say_what_next(session, ended, last_scores)
    return ended.signal


def _more(numbers: Mapping[str, float], scores: Evaluated | None) -> str:
    """What the live line says beside loss and speed, as far as it is known."""
    parts = []
    if numbers:
        parts += [f"wait {numbers['speed/data_wait_fraction']:.0%}", f"codes {numbers['codebook/used']:.0f}"]
    if scores is not None and "metric/psnr" in scores.numbers:
        parts.append(f"{scores.split} {scores.numbers['metric/psnr']:.1f} dB")
    return "  ".join(parts)


def run_silently(session: Session) -> int | None:
    """`show` without a word: for the processes beside the main one."""
    *_, ended = session.happenings()
    assert isinstance(ended, Ended)
    return ended.signal


def _log_to_file(session: Session, stack: ExitStack) -> None:
    """Everything the program logs goes to the run's console.log."""
    with explained_os_errors(session.run.console_file):
        handler = logging.FileHandler(session.run.console_file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger = logging.getLogger("vqtool")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    stack.callback(handler.close)
    stack.callback(logger.removeHandler, handler)
    if handler.stream is not None and not faulthandler.is_enabled():
        # A memory-mapped file that is cut short, or a disk that is taken away, kills the process without a word.
        faulthandler.enable(handler.stream)
        stack.callback(faulthandler.disable)


def _say_what_next(session: Session, ended: Ended, scores: Evaluated | None) -> None:
    path = quote(str(session.run.path))  # to be copied into a shell
    if scores is not None:
        typer.echo(printable(f"{scores.split}: {describe_numbers(scores.numbers)}"))
    if ended.status == "stopped":
        stderr_line(f"go on with:    vqtool train --run {path} --resume")
    stderr_line(f"measure with:  vqtool eval --checkpoint {path}")
    stderr_line(f"look at it:    vqtool reconstruct --checkpoint {path} --output reconstructions")


class _LiveLine:
    """The last step: rewritten in place on a terminal, a line in ten seconds elsewhere and in the log.

    Losses are read, which waits for the device, only when they are shown.
    """

    def __init__(self, total_steps: int) -> None:
        self._total_steps = total_steps
        self._terminal = sys.stderr.isatty()
        self._last_live = self._last_plain = 0.0

    def __enter__(self) -> "_LiveLine":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.fields[facts]}"), BarColumn(bar_width=10), TimeRemainingColumn())
        console = Console(stderr=True, markup=False, highlight=False)
        self._bar = Progress(*columns, console=console, transient=True, disable=not self._terminal)
        self._task = self._bar.add_task("", total=1.0, facts="starting")
        self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._bar.stop()

    def step(self, result: StepResult, share_done: float, more: str) -> None:
        now = time.monotonic()
        if now - self._last_plain >= PLAIN_SECONDS:
            self._last_plain = now
            logging.getLogger("vqtool").info(describe(result))
            if not self._terminal:
                stderr_line(describe(result))
        if self._terminal and now - self._last_live >= LIVE_SECONDS:
            self._last_live = now
            loss, speed = float(result.losses["total"]), result.num_frames / result.seconds
            facts = f"{result.step}/{self._total_steps}  loss {loss:.4f}  {speed:.0f} frames/s  {more}"
            self._bar.update(self._task, completed=share_done, facts=facts)

    def print(self, text: str) -> None:
        if self._terminal:
            self._bar.console.print(printable(text))
        else:
            stderr_line(text)
