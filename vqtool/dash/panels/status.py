"""The lines at the top: how the run is doing, what is wrong, and the tabs."""

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from vqtool.core.text import clean
from vqtool.dash.summary import Summary, eta_text
from vqtool.dash.text import duration, percent, short_number

SIGNS = {"running": "●", "finished": "✔", "stopped": "■", "failed": "✖"}
BAR_CELLS = 10
SEPARATOR = "  "


class StatusBar(Widget):
    """One or two lines of facts, the most wanted first, and the alarms."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"status--alarm"}
    DEFAULT_CSS = """
    StatusBar { height: 2; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    StatusBar .status--alarm { background: $error; color: $text; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines = ["reading the run"]
        self.alarm_lines: list[str] = []
        self._summary: Summary | None = None
        self._error = ""

    def show(self, summary: Summary, error: str | None) -> None:
        """Show these facts, and `error` where the run's status cannot be read."""
        self._summary, self._error = summary, error or ""
        self._fit()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the facts to the width."""
        self._fit()

    def render(self) -> Text:
        """The lines as text."""
        text = Text("\n".join(self.lines), end="")
        for line in self.alarm_lines:
            text.append("\n")
            text.append(line, style=self.get_component_rich_style("status--alarm"))
        return text

    def _fit(self) -> None:
        """Choose what the room allows: the facts in two lines, the alarms in up to a sixth of the screen."""
        width, shown = max(1, self.size.width), (self.lines, self.alarm_lines)
        if self._summary is not None:
            self.lines = pack([*first_facts(self._summary), *second_facts(self._summary)], width, 2)
        wrapped = [line for alarm in self._alarms() for line in textwrap.wrap(f"! {alarm}", max(10, width))]
        room = max(1, self.app.size.height // 6)
        self.alarm_lines = wrapped[:room]
        if len(wrapped) > room:
            self.alarm_lines[-1] = f"{wrapped[room - 1][: width - 2]} …"
        if (self.lines, self.alarm_lines) != shown:
            self.styles.height = len(self.lines) + len(self.alarm_lines)
            self.refresh()

    def _alarms(self) -> list[str]:
        alarms = () if self._summary is None else self._summary.alarms
        found = [f"{clean(alarm.evidence, 300)}; {clean(alarm.remedy)}" for alarm in alarms]
        return [*found, clean(self._error)] if self._error else found


class TabBar(Widget):
    """The names of the panels; keys or a click choose one."""

    DEFAULT_CSS = """
    TabBar { height: 1; background: $surface; color: $foreground 70%; text-wrap: nowrap; }
    """

    class Chosen(Message):
        """A panel's name was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = list(names)
        self._active = 0
        self._note = ""

    def show(self, active: int, note: str) -> None:
        """Mark the active panel; of `note`, parts parted by commas, what fits goes to the right."""
        if (active, note) != (self._active, self._note):
            self._active, self._note = active, note
            self.refresh()

    def render(self) -> Text:
        """The bar as text."""
        text = Text(end="")
        for index, label in enumerate(self._labels()):
            text.append(label, style="bold reverse" if index == self._active else "")
        note, room = self._note, self.size.width - text.cell_len - 2
        while cell_len(note) > room and ", " in note:
            note = note.rpartition(", ")[0]
        return text.append(" " * (room + 1 - cell_len(note)) + note) if cell_len(note) <= room else text

    def on_click(self, event: events.Click) -> None:
        """Choose the panel under the pointer."""
        end = 0
        for index, label in enumerate(self._labels()):
            end += len(label)
            if event.x < end:
                self.post_message(self.Chosen(index))
                return

    def _labels(self) -> list[str]:
        """Numbers and names; where they do not fit, the name of the active panel alone."""
        labels = [f" {number} {name} " for number, name in enumerate(self._names, 1)]
        if sum(map(len, labels)) <= self.size.width:
            return labels
        return [label if index == self._active else f" {index + 1} " for index, label in enumerate(labels)]


def pack(facts: Sequence[str], width: int, num_lines: int) -> list[str]:
    """As many facts, in their order, as whole ones fit on so many lines; a too long first one is left to be cut."""
    lines = [""]
    for fact in facts:
        joined = f"{lines[-1]}{SEPARATOR}{fact}" if lines[-1] else fact
        if cell_len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        elif len(lines) < num_lines:
            lines.append(fact)
        else:
            break
    return lines


def first_facts(summary: Summary) -> list[str]:
    """What a glance should tell: the state, the name, how far, how long still."""
    gone = summary.status == "running" and not summary.alive
    state = "✖ dead" if gone else f"{SIGNS.get(summary.status, '?')} {clean(summary.status, 20)}"
    facts = [f"{state} {clean(summary.name, 40)}"]
    total = f"/{summary.total_steps:,}" if summary.total_steps else ""
    facts.append(f"step {summary.step:,}{total}")
    if summary.share_done is not None:
        filled = int(summary.share_done * BAR_CELLS)
        facts.append(f"{'━' * filled}{'╌' * (BAR_CELLS - filled)} {percent(summary.share_done)}")
    if summary.eta_seconds is not None:
        facts.append(f"ETA {eta_text(summary)}")
    return facts


def second_facts(summary: Summary) -> list[str]:
    """Further facts, by how much they are missed when there is no room."""
    val = summary.metrics.get("val", {})
    facts = [f"PSNR {short_number(val['metric/psnr'])} dB"] if "metric/psnr" in val else []
    if summary.codes_used is not None and summary.codebook_size:
        facts.append(f"codes {summary.codes_used:,}/{summary.codebook_size:,}")
    if summary.frames_per_second is not None:
        facts.append(f"{short_number(summary.frames_per_second)} frames/s")
    if summary.alive:
        facts.append(f"heartbeat {duration(summary.heartbeat_age_seconds)} ago")
    facts.append(f"elapsed {duration(summary.elapsed_seconds)}")
    if summary.num_bad_lines:
        facts.append(f"{summary.num_bad_lines:,} bad lines")
    return [*facts, clean(summary.device, 30)] if summary.device else facts
