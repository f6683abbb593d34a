"""The run's events and what its trainer printed."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from vqtool.dash.panels.lines import LinesView
from vqtool.dash.summary import event_text

VIEWS = ("events", "console")


class LogPanel(Vertical):
    """Events above, console below; the keys act on the one that has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", key_display="/"),
        Binding("n", "match(-1)", "Match", key_display="n N"),
        Binding("N", "match(1)", "Match", show=False),
        Binding("f", "follow", "Follow"),
        Binding("o", "other_view", "Events/console"),
        Binding("escape", "end_search", "End", show=False),
    ]
    DEFAULT_CSS = """
    LogPanel > Static { height: 1; padding: 0 1; text-style: bold; }
    LogPanel > #console { height: 2fr; }
    LogPanel > Input { height: 1; border: none; padding: 0 1; display: none; }
    """

    def compose(self) -> ComposeResult:
        """The two views and their titles, and a line to type into."""
        for name, empty in zip(VIEWS, ("no events yet", "no console output yet"), strict=True):
            yield Static(name, id=f"{name}-title", markup=False)
            yield LinesView(empty, id=name)
        yield Input(placeholder="search (enter), esc ends", compact=True, select_on_focus=True)

    def show_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """List the events."""
        self.query_one("#events", LinesView).show(event_line(event) for event in events)

    def show_console(self, lines: Iterable[str]) -> None:
        """List what the trainer printed."""
        self.query_one("#console", LinesView).show(lines)

    @property
    def view(self) -> LinesView:
        """The view that keys act on."""
        events = self.query_one("#events", LinesView)
        return events if events.has_focus else self.query_one("#console", LinesView)

    def action_search(self) -> None:
        """Ask what to search for."""
        field = self.query_one(Input)
        self._searched = self.view
        field.display = True
        self.screen.set_focus(field)

    def action_match(self, change: int) -> None:
        """Go to an earlier or a later match."""
        self.view.go_to_match(change)

    def action_follow(self) -> None:
        """Stay at the end, or no longer."""
        view = self.view
        if view.follows:
            view.stay()
        else:
            view.follow()

    def action_other_view(self) -> None:
        """To the events, or back to the console."""
        other = "console" if self.query_one("#events").has_focus else "events"
        self.query_one(f"#{other}").focus()

    def action_end_search(self) -> None:
        """Search no longer."""
        self._close_search("")

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Search for what was typed."""
        message.stop()
        self._close_search(message.value)

    def on_lines_view_moved(self, message: LinesView.Moved) -> None:
        """Say what the views show."""
        message.stop()
        for name in VIEWS:
            self.query_one(f"#{name}-title", Static).update(title(name, self.query_one(f"#{name}", LinesView)))

    _searched: LinesView | None = None

    def _close_search(self, wanted: str) -> None:
        field, view = self.query_one(Input), self._searched or self.view
        field.display = False
        self._searched = None
        self.screen.set_focus(view)
        view.search(wanted)
        self.on_lines_view_moved(LinesView.Moved())


def title(name: str, view: LinesView) -> str:
    """What a view shows: whether it follows, what is searched and which match is seen."""
    below = int(view.max_scroll_y - view.scroll_offset.y)
    parts = [name, "following" if view.follows else f"{below:,} rows below, f follows"]
    if view.wanted and not view.matches:
        parts.append(f"{view.wanted!r} not found")
    elif view.wanted:
        place = "" if view.current is None else f"{view.current + 1:,} of "
        parts.append(f"{view.wanted!r} {place}{len(view.matches):,}")
    return "  ".join(parts)


def event_line(event: Mapping[str, Any]) -> str:
    """An event with its local time of day."""
    time = event.get("time")
    try:
        clock = f"{datetime.datetime.fromtimestamp(float(time)):%H:%M:%S}" if time is not None else "--:--:--"
    except (ValueError, OverflowError, OSError, TypeError):
        clock = "--:--:--"
    return f"{clock}  {event_text(event)}"
