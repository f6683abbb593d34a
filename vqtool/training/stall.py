"""A step that hangs: a thread that says so, and where, while the step goes on hanging."""

import logging
import statistics
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

CHECK_SECONDS = 5.0
MIN_SECONDS, STALL_FACTOR = 120.0, 20.0
"""A step hangs that takes longer than the first, and than so many times the median of the last ones."""
FIRST_SECONDS = 900.0
"""Where no step has been taken yet: it may compile, or place a codebook."""
WINDOW = 50
PACKAGE = "vqtool"

logger = logging.getLogger(__name__)


class StallWatch:
    """While entered, watches what is done `with watch.step():`; calls `tell(seconds, where)` once for one that hangs.

    `tell` is called in the watching thread; the stack goes to the log. Nothing is stopped: a step may yet end.
    """

    def __init__(self, tell: Callable[[float, str], object]) -> None:
        self._tell = tell
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._began: float | None = None
        self._is_told = False
        self._stepping_thread = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)

    @property
    def patience_seconds(self) -> float:
        """How long the present step may take."""
        if not self._recent:
            return FIRST_SECONDS
        return max(MIN_SECONDS, STALL_FACTOR * statistics.median(self._recent))

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around one step, in the thread that takes it."""
        self._stepping_thread, self._is_told = threading.get_ident(), False
        began = self._began = time.monotonic()
        try:
            yield
        finally:
            self._began = None
        self._recent.append(time.monotonic() - began)

    def check(self, now: float) -> None:
        """Tell of the present step if it hangs at `now` (of the monotonic clock) and was not told of before."""
        began = self._began
        if began is None or self._is_told or now - began <= self.patience_seconds:
            return
        self._is_told = True
        stack = traceback.extract_stack(sys._current_frames().get(self._stepping_thread))
        where = next((f"{at.filename}:{at.lineno} in {at.name}" for at in reversed(stack) if _is_ours(at)), "unknown")
        logger.warning("no step for %.0f s: it hangs at %s; the stack is in console.log", now - began, where)
        logger.info("the stack of the step that hangs:\n%s", "".join(traceback.format_list(stack)).rstrip())
        self._tell(now - began, where)

    def _watch(self) -> None:
        while not self._ended.wait(CHECK_SECONDS):
            self.check(time.monotonic())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


def _is_ours(frame: traceback.FrameSummary) -> bool:
    """Whether a line is of this package, not of a library that it called."""
    return f"/{PACKAGE}/" in frame.filename.replace("\\", "/")
