"""All that the dashboard knows of one run, built up from updates."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vqtool.dash.reader import CodebookUsage, RunReader, StepPaths, Update
from vqtool.dash.store import MetricStore, Resume
from vqtool.runs.folder import RunFolder

MAX_EVENTS = 5000
MAX_CONSOLE_LINES = 2000


@dataclass
class RunState:
    """The known state of `run`; changed by `apply` alone, and only from one thread."""

    run: RunFolder
    status: Mapping[str, Any] = field(default_factory=dict)
    status_error: str | None = None
    metrics: MetricStore = field(default_factory=MetricStore)
    events: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_EVENTS))
    console: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_CONSOLE_LINES))
    previews: StepPaths = ()
    worst: StepPaths = ()
    codebooks: StepPaths = ()
    codebook: CodebookUsage | None = None
    bad_lines: int = 0
    share_unread: float = 0.0

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes of each codebook, in the order that tokens count through them; empty where run.json does not say."""
        sizes = self.status.get("codebook_sizes")
        whole = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
        return tuple(sizes) if whole and sizes else ()

    @property
    def segment_frames(self) -> int:
        """Frames that share a context; 0 where there is none or run.json does not say."""
        frames = self.status.get("segment_frames")
        return frames if type(frames) is int and frames > 0 else 0

    def apply(self, update: Update) -> None:
        """Take in an update."""
        if update.status is not None:
            self.status, self.status_error = update.status, None
        if update.status_error is not None:
            self.status_error = update.status_error
        if update.metrics_restarted:
            self.metrics = MetricStore(self.metrics.resumes)
        for columns in update.metrics:
            self.metrics.append(columns)
        for columns in reversed(update.earlier_metrics):
            self.metrics.append(columns, earlier=True)
        self.share_unread = update.share_unread
        if update.events_restarted:
            self.events.clear()
            self.metrics.resumes.clear()
        self.events.extend(update.events)
        self._note_resumes(update.events)
        self.console.extend(update.console)
        self.previews = self.previews if update.previews is None else update.previews
        self.worst = self.worst if update.worst is None else update.worst
        self.codebooks = self.codebooks if update.codebooks is None else update.codebooks
        self.codebook = update.codebook or self.codebook
        self.bad_lines = update.bad_lines

    def _note_resumes(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            step, time = event.get("step"), event.get("time")
            if event.get("kind") == "resume" and isinstance(step, int) and isinstance(time, int | float):
                self.metrics.resume(Resume(step, float(time)))


def read_run(run: RunFolder, now: float) -> RunState:
    """The state of a run as it is now, read once from start to end."""
    reader, state = RunReader(run), RunState(run)
    while True:
        update = reader.poll(now)
        if update is not None:
            state.apply(update)
        if not reader.more:
            return state
