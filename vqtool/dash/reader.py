"""Reading what a run folder gained since the last look: bounded slices, immutable updates, no terminal."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.columns import Columns, columns_of, joined
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, step_folders
from vqtool.runs.jsonl import JsonlTail
from vqtool.runs.previews import list_previews, list_worst, read_array
from vqtool.runs.tail import LineTail

CONSOLE_BYTES = 64 << 10
NEWEST_BYTES = 1 << 20
"""Of the metrics: what is read first, so that the last steps are seen at once however long the log is."""
PIECE_BYTES, PIECES = 1 << 18, 8
"""Of the earlier metrics at a time: what becomes of larger pieces leaves the processor's cache, which costs a third."""
LISTING_SECONDS = 3.0
StepPaths = tuple[tuple[int, Path], ...]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CodebookUsage:
    """How often each code was used in the evaluation at `step`: counts (K,)."""

    step: int
    counts: NDArray[np.integer]


@dataclass(frozen=True)
class Update:
    """What changed in a run folder; None where nothing did. `bad_lines` is the total so far.

    `earlier_metrics` were written before all that were delivered; `share_unread`, in [0, 1], of the metrics is to come.
    """

    status: Mapping[str, Any] | None = None
    status_error: str | None = None
    metrics: tuple[Columns, ...] = ()
    earlier_metrics: tuple[Columns, ...] = ()
    share_unread: float = 0.0
    metrics_restarted: bool = False
    events: tuple[Mapping[str, Any], ...] = ()
    events_restarted: bool = False
    console: tuple[str, ...] = ()
    previews: StepPaths | None = None
    worst: StepPaths | None = None
    codebooks: StepPaths | None = None
    codebook: CodebookUsage | None = None
    bad_lines: int = 0


class RunReader:
    """Follows one run folder; each `poll` returns what is new. Missing, shrinking and damaged files are survived."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.more = False
        self._metrics = JsonlTail(run.metrics_file, start_bytes=NEWEST_BYTES)
        self._events = JsonlTail(run.events_file)
        self._console = LineTail(run.console_file, start_bytes=CONSOLE_BYTES)
        self._previews = _Listing(run.previews, lambda: list_previews(run))
        self._worst = _Listing(run.worst, lambda: list_worst(run))
        self._codebooks = _Listing(run.codebook, lambda: step_folders(run.codebook))
        self._num_unusable = 0
        self._bad_lines = 0
        self._status_key: tuple[int, int] | None = None
        self._status_error: str | None = None

    def poll(self, now: float) -> Update | None:
        """What is new at `now` (unix seconds), or None; afterwards `more` tells whether there is more already."""
        restarts = self._metrics.num_restarts, self._events.num_restarts
        earlier = self._earlier_metrics()
        columns = self._columns(self._metrics.read())
        events = self._events.read()
        codebooks = self._codebooks.changed(now)
        update = Update(
            **self._changed_status(),
            metrics=columns,
            earlier_metrics=earlier if self._metrics.num_restarts == restarts[0] else (),
            share_unread=self._metrics.share_passed_over,
            metrics_restarted=self._metrics.num_restarts > restarts[0],
            events=tuple(events),
            events_restarted=self._events.num_restarts > restarts[1],
            console=tuple(self._console.read().decode("utf-8", "replace").split("\n")[:-1]),
            previews=self._previews.changed(now),
            worst=self._worst.changed(now),
            codebooks=codebooks,
            codebook=_newest_usage(codebooks or ()),
            bad_lines=self._metrics.num_bad_lines + self._events.num_bad_lines + self._num_unusable,
        )
        reads_back = self._metrics.share_passed_over > 0 and any((columns, earlier))
        self.more = reads_back or self._metrics.more or self._events.more or self._console.more
        news, self._bad_lines = _has_news(update, self._bad_lines), update.bad_lines
        return update if news else None

    def _earlier_metrics(self) -> tuple[Columns, ...]:
        pieces: list[Columns] = []
        for _ in range(PIECES):
            if not self._metrics.share_passed_over:
                break
            pieces[:0] = self._columns(self._metrics.read_earlier(PIECE_BYTES))
        return tuple(joined(pieces))

    def _columns(self, records: Sequence[Mapping[str, Any]]) -> tuple[Columns, ...]:
        columns, num_unusable = columns_of(records)
        self._num_unusable += num_unusable
        return tuple(columns)

    def _changed_status(self) -> dict[str, Any]:
        """The status when its file changed, the error when there is a new one."""
        try:
            facts = self.run.status_file.stat()
            key = (facts.st_mtime_ns, facts.st_size)
            if key == self._status_key:
                return {}
            status = self.run.read_status()
        except OSError as error:
            return self._changed_error(f"cannot read {self.run.status_file}: {error.strerror or error}")
        except RunError as error:
            return self._changed_error(str(error))
        self._status_key, self._status_error = key, None
        return {"status": status}

    def _changed_error(self, message: str) -> dict[str, Any]:
        if message == self._status_error:
            return {}
        self._status_key, self._status_error = None, message
        return {"status_error": message}


class _Listing:
    """A folder of step folders, listed again when the folder's date changed and every few seconds."""

    def __init__(self, folder: Path, steps_and_paths: Callable[[], list[tuple[int, Path]]]) -> None:
        self._folder = folder
        self._list = steps_and_paths
        self._modified = -1
        self._listed = float("-inf")
        self._known: StepPaths | None = None

    def changed(self, now: float) -> StepPaths | None:
        """All entries, ascending by step, when they changed since the last call."""
        try:
            modified = self._folder.stat().st_mtime_ns
        except OSError:
            modified = 0
        if modified == self._modified and now - self._listed < LISTING_SECONDS:
            return None
        self._modified, self._listed = modified, now
        known, self._known = self._known, tuple(self._list())
        return None if self._known == known else self._known


def _newest_usage(codebooks: StepPaths) -> CodebookUsage | None:
    """The newest readable usage counts."""
    for step, path in reversed(codebooks):
        try:
            counts = read_array(path)
        except (OSError, ValueError) as error:
            _log.debug("skipping %s: %s", path, error)
            continue
        if counts.ndim == 1 and len(counts):
            return CodebookUsage(step, np.maximum(counts, 0))
    return None


def _has_news(update: Update, bad_lines: int) -> bool:
    return (
        any(value is not None for value in (update.status, update.status_error, update.previews, update.codebooks))
        or update.worst is not None
        or any((update.metrics, update.earlier_metrics, update.events, update.console))
        or update.metrics_restarted
        or update.events_restarted
        or update.bad_lines != bad_lines
    )
