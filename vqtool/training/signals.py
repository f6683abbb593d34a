"""Stopping politely: the first Ctrl-C, SIGTERM or SIGUSR1 finishes the step and saves, the second quits at once."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""The last is what Slurm is told to send some time before it takes the machine away (`--signal=USR1@120`)."""


class StopSignals:
    """While active, `received` is the number of the first stop signal, or None; a second one raises KeyboardInterrupt.

    Only for the main thread, where Python delivers signals.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
