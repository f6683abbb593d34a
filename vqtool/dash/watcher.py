"""The thread that polls a run folder while the dashboard is open."""

import logging
import threading
import time
from collections.abc import Callable

from vqtool.dash.reader import RunReader, Update
from vqtool.runs.folder import RunFolder

POLL_SECONDS = 0.5

_log = logging.getLogger(__name__)


class RunWatcher:
    """Calls `deliver` with an `Update` whenever the run folder gained something, from one daemon thread.

    `deliver` must be quick and thread-safe; an exception in it or in the reading is logged, and watching goes on.
    """

    def __init__(self, run: RunFolder, deliver: Callable[[Update], object], poll_seconds: float = POLL_SECONDS) -> None:
        self._reader = RunReader(run)
        self._deliver = deliver
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"watch {run.name}", daemon=True)

    def start(self) -> None:
        """Begin watching."""
        self._thread.start()

    def stop(self) -> None:
        """End watching; returns at once, without waiting for a slow file system."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self._poll()
            if not self._reader.more:
                self._stopped.wait(self._poll_seconds)

    def _poll(self) -> None:
        try:
            update = self._reader.poll(time.time())
            if update is not None and not self._stopped.is_set():
                self._deliver(update)
        except Exception:
            _log.exception("reading %s failed; trying again", self._reader.run.path)
            self._stopped.wait(self._poll_seconds)
