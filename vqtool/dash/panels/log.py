"""The run's events and what its trainer printed."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import chop_cells
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from vqtool.core.text import clean
from vqtool.dash.panels.strips import text_strip
from vqtool.dash.summary import event_text


class LinesView(ScrollView, can_focus=True):
    """Lines of untrusted text, wrapped and scrolled; one that begins at its end stays there while it is there."""

    DEFAULT_CSS = """
    LinesView { width: 1fr; height: 1fr; padding: 0 1; scrollbar-size: 1 1; scrollbar-gutter: stable; }
    """

    def __init__(self, empty: str, *, at_end: bool = True, id: str | None = None) -> None:
        """With `empty` to show while there is no line; `at_end` begins at the end."""
        super().__init__(id=id)
        self._at_end = at_end
        self._empty = [empty]
        self.lines: Sequence[str] = self._empty
        self._wrapped: list[str] = []

    def on_mount(self) -> None:
        """Begin at the end, or at the start."""
        if self._at_end:
            self.anchor()

    def show(self, lines: Iterable[str]) -> None:
        """Show these lines, cleaned, from now on."""
        self.lines = [clean(line) for line in lines] or self._empty
        self._wrap()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the lines to the width."""
        self._wrap()

    def render_line(self, y: int) -> Strip:
        """Line `y` of the view."""
        row = self.scroll_offset.y + y
        width, style = self.scrollable_content_region.width, self.visual_style.rich_style
        return text_strip(self._wrapped[row] if row < len(self._wrapped) else "", width, style)

    def _wrap(self) -> None:
        width = self.scrollable_content_region.width
        if width < 1:
            return
        self._wrapped = [part for line in self.lines for part in chop_cells(line, width) or [""]]
        self.virtual_size = Size(width, len(self._wrapped))
        self.refresh()


class LogPanel(Vertical):
    """Events above, console below."""

    DEFAULT_CSS = """
    LogPanel > Static { height: 1; padding: 0 1; text-style: bold; }
    LogPanel > #console { height: 2fr; }
    """

    def compose(self) -> ComposeResult:
        """The two views and their titles."""
        yield Static("events", markup=False)
        yield LinesView("no events yet", id="events")
        yield Static("console", markup=False)
        yield LinesView("no console output yet", id="console")

    def show_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """List the events."""
        self.query_one("#events", LinesView).show(event_line(event) for event in events)

    def show_console(self, lines: Iterable[str]) -> None:
        """List what the trainer printed."""
        self.query_one("#console", LinesView).show(lines)


def event_line(event: Mapping[str, Any]) -> str:
    """An event with its local time of day."""
    time = event.get("time")
    try:
        clock = f"{datetime.datetime.fromtimestamp(float(time)):%H:%M:%S}" if time is not None else "--:--:--"
    except (ValueError, OverflowError, OSError, TypeError):
        clock = "--:--:--"
    return f"{clock}  {event_text(event)}"
