"""Lines of untrusted text, wrapped and scrolled, that can be searched and followed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import chop_cells
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from vqtool.core.text import clean

FOUND, CURRENT = Style(reverse=True), Style(reverse=True, bold=True, underline=True)


@dataclass(frozen=True)
class _Row:
    """A part of a line as wide as the view: the line's number, and where in it the part begins."""

    line: int
    start: int
    text: str


@dataclass(frozen=True)
class Match:
    """Where the text searched for is: the line's number, and the characters from `start` to before `end`."""

    line: int
    start: int
    end: int


class LinesView(ScrollView, can_focus=True):
    """Lines, wrapped; while it follows, it stays at the end. `at_end` says where it begins."""

    DEFAULT_CSS = """
    LinesView { width: 1fr; height: 1fr; padding: 0 1; scrollbar-size: 1 1; scrollbar-gutter: stable; }
    """

    class Moved(Message):
        """It was scrolled, searched, or has other lines."""

    def __init__(self, empty: str, *, at_end: bool = True, id: str | None = None) -> None:
        """With `empty` to show while there is no line."""
        super().__init__(id=id)
        self._at_end = at_end
        self._empty = [empty]
        self.lines: Sequence[str] = self._empty
        self.wanted = ""
        self.matches: list[Match] = []
        self.current: int | None = None
        self._rows: list[_Row] = []

    @property
    def follows(self) -> bool:
        """Whether it is at its end, and stays there when lines come."""
        return self.scroll_offset.y >= self.max_scroll_y

    def on_mount(self) -> None:
        """Begin at the end, or at the start."""
        if self._at_end:
            self.anchor()

    def show(self, lines: Iterable[str]) -> None:
        """Show these lines, cleaned, from now on."""
        self.lines = [clean(line) for line in lines] or self._empty
        self._find()
        self._wrap()

    def follow(self) -> None:
        """Go to the end, and stay there."""
        self.anchor()

    def stay(self) -> None:
        """Stay here when lines come."""
        if self.follows:
            self.scroll_to(y=max(0, self.scroll_offset.y - 1), animate=False)

    def search(self, wanted: str) -> int:
        """Mark `wanted` wherever it occurs, in upper or lower case, and go to the last place; how many there are."""
        self.wanted, self.current = wanted, None
        self._find()
        self.go_to_match(-1)
        self.refresh()
        return len(self.matches)

    def go_to_match(self, change: int) -> None:
        """Go to the next (1) or the previous (-1) match, around the end."""
        if not self.matches:
            return
        start = self.current if self.current is not None else (0 if change < 0 else -1)
        self.current = (start + change) % len(self.matches)
        match = self.matches[self.current]
        place = next((number for number, row in enumerate(self._rows) if _is_in(match, row)), 0)
        self.scroll_to(y=max(0, place - self.size.height // 2), animate=False)
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self, event: events.Resize) -> None:
        """Fit the lines to the width."""
        self._wrap()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell when it moves."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """Line `y` of the view."""
        number = self.scroll_offset.y + y
        width, style = self.scrollable_content_region.width, self.visual_style.rich_style
        segments = self._segments(self._rows[number], style) if number < len(self._rows) else []
        return Strip(segments).adjust_cell_length(width, style)

    def _segments(self, row: _Row, style: Style) -> list[Segment]:
        """The row, with what was searched for marked."""
        segments, done = [], 0
        for number, match in enumerate(self.matches):
            begin, end = max(0, match.start - row.start), min(match.end - row.start, len(row.text))
            if match.line != row.line or begin >= end:
                continue
            found = style + (CURRENT if number == self.current else FOUND)
            segments += [Segment(row.text[done:begin], style), Segment(row.text[begin:end], found)]
            done = end
        return [*segments, Segment(row.text[done:], style)]

    def _find(self) -> None:
        if not self.wanted or self.lines is self._empty:
            self.matches = []
            return
        pattern = re.compile(re.escape(self.wanted), re.IGNORECASE)
        self.matches = [
            Match(n, *found.span()) for n, line in enumerate(self.lines) for found in pattern.finditer(line)
        ]
        if self.current is not None and self.current >= len(self.matches):
            self.current = None

    def _wrap(self) -> None:
        width = self.scrollable_content_region.width
        if width < 1:
            return
        self._rows = [row for number, line in enumerate(self.lines) for row in _wrapped(number, line, width)]
        self.virtual_size = Size(width, len(self._rows))
        self.refresh()
        self.post_message(self.Moved())


def _wrapped(number: int, line: str, width: int) -> list[_Row]:
    rows, start = [], 0
    for part in chop_cells(line, width) or [""]:
        rows.append(_Row(number, start, part))
        start += len(part)
    return rows


def _is_in(match: Match, row: _Row) -> bool:
    return match.line == row.line and row.start <= match.start < row.start + len(row.text)
