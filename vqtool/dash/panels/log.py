"""The run's events and what its trainer printed."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from vqtool.dash.panels.strips import text_strip
from vqtool.dash.summary import event_text
from vqtool.dash.text import clean


class LinesView(ScrollView, can_focus=True):
    """Lines of untrusted text, scrolled; it stays at the end while it is at the end."""

    DEFAULT_CSS = """
    LinesView { width: 1fr; height: 1fr; padding: 0 1; scrollbar-size: 1 1; }
    """

    def __init__(self, empty: str, *, id: str | None = None) -> None:
        """With `empty` to show while there is no line."""
        super().__init__(id=id)
        self._empty = [empty]
        self.lines: Sequence[str] = self._empty
        self._at_end = True

    def show(self, lines: Iterable[str]) -> None:
        """Show these lines, cleaned, from now on."""
        if self.size.height:
            self._at_end = self.scroll_offset.y >= self.max_scroll_y
        self.lines = [clean(line) for line in lines] or self._empty
        self.virtual_size = Size(max(map(cell_len, self.lines)), len(self.lines))
        self.refresh()
        self._stay_at_end()

    def on_resize(self, event: events.Resize) -> None:
        """Stay at the end when the room changes, or is there for the first time."""
        self._stay_at_end()

    def render_line(self, y: int) -> Strip:
        """Line `y` of the view, scrolled in both directions."""
        left, top = self.scroll_offset
        width, style = self.scrollable_content_region.width, self.rich_style
        if top + y >= len(self.lines):
            return Strip.blank(width, style)
        line = self.lines[top + y]
        return text_strip(line, max(cell_len(line), left + width), style).crop(left, left + width)

    def _stay_at_end(self) -> None:
        if self._at_end:
            self.scroll_end(animate=False, x_axis=False)


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
