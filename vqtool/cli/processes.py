"""Commands that several processes run together, as `torchrun` starts them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vqtool.core.distributed import Processes


@contextmanager
def only_main_speaks(processes: Processes) -> Iterator[None]:
    """A mistake that every process finds, and Ctrl-C, which every process gets, are told once."""
    from vqtool.errors import VqtoolError

    try:
        yield
    except VqtoolError:
        if processes.is_main:
            raise
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        if processes.is_main:
            raise
        raise typer.Exit(130) from None


@contextmanager
def says_which(processes: Processes) -> Iterator[None]:
    """A mistake that one process alone finds is told with its number."""
    from vqtool.cli.console import stderr_line
    from vqtool.errors import VqtoolError

    try:
        yield
    except VqtoolError as error:
        if processes.is_main:
            raise
        stderr_line(f"error in process {processes.rank}: {error}")
        raise typer.Exit(1) from None
