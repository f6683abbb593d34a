"""The list of runs in a folder: filtered, sorted, and marked to be drawn together."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

from vqtool.core.text import clean
from vqtool.dash.alarms import heartbeat_age, number
from vqtool.dash.panels.chart_view import RUN_LABELS
from vqtool.dash.panels.key_bar import KeyBar
from vqtool.dash.panels.status import SIGNS
from vqtool.dash.progress import share_done
from vqtool.dash.text import duration, percent, short_number
from vqtool.errors import RunError
from vqtool.runs.folder import RunFolder, is_alive, list_runs

MAX_RUNS = 500
MAX_OVERLAID = len(RUN_LABELS)
RELOAD_SECONDS = 3.0


class PickerScreen(Screen[None]):
    """Choose a run to watch."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "app.quit", "Quit"),
        Binding("enter", "choose", "Open"),
        Binding("space", "mark", "Mark"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "next_order", "Sort"),
        Binding("r", "reload", "Reload"),
        Binding("T", "app.next_theme", "Theme", show=False),
        Binding("escape", "end_filter", "No filter", show=False),
    ]
    DEFAULT_CSS = """
    PickerScreen > Static { height: 1; padding: 0 1; text-style: bold; }
    PickerScreen > OptionList, PickerScreen > OptionList:focus { height: 1fr; border: none; padding: 0; }
    PickerScreen > Input { height: 1; border: none; padding: 0 1; display: none; }
    """

    class Chosen(Message):
        """The user wants to watch `run`, and the curves of `others` beside its own."""

        def __init__(self, run: RunFolder, others: Sequence[RunFolder]) -> None:
            super().__init__()
            self.run = run
            self.others = others

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self._runs_dir = runs_dir
        self.runs: list[RunFolder] = []
        self.order = ORDERS[0]
        self.wanted = ""
        self.marked: list[RunFolder] = []

    def compose(self) -> ComposeResult:
        """A title, the runs, the keys."""
        yield Static(clean(f"runs in {self._runs_dir}"), markup=False)
        yield OptionList(markup=False)
        yield Input(placeholder="part of the name or state (enter), esc ends", compact=True, select_on_focus=True)
        yield KeyBar()

    def on_mount(self) -> None:
        """List the runs, and keep the list up to date."""
        self.query_one(OptionList).focus()
        self.action_reload()
        self.set_interval(RELOAD_SECONDS, self.action_reload)

    def action_reload(self) -> None:
        """List the runs anew, and keep the highlighted one."""
        options = self.query_one(OptionList)
        found = [entry_of(run, time.time()) for run in list(list_runs(self._runs_dir))[:MAX_RUNS]]
        self.marked = [run for run in self.marked if any(run == entry.run for entry in found)]
        entries = sorted(found, key=_SORT_KEYS[self.order])
        entries = [entry for entry in entries if self.wanted.casefold() in entry.text.casefold()]
        self._show_title(len(entries), len(found))
        runs, lines = [entry.run for entry in entries], [self._line(entry) for entry in entries]
        if runs == self.runs:
            for index, line in enumerate(lines):
                options.replace_option_prompt_at_index(index, line)
            return
        chosen = None if options.highlighted is None else self.runs[options.highlighted]
        self.runs = runs
        options.clear_options()
        options.add_options(lines)
        if runs:
            options.highlighted = runs.index(chosen) if chosen in runs else 0

    def action_mark(self) -> None:
        """Mark the highlighted run, or no longer: marked ones are drawn beside the one that is opened."""
        run = self._highlighted
        if run is None:
            return
        if run in self.marked:
            self.marked.remove(run)
        elif len(self.marked) < MAX_OVERLAID:
            self.marked.append(run)
        else:
            self.notify(f"No more than {MAX_OVERLAID} runs can be marked.", severity="warning", markup=False)
        self.action_reload()

    def action_next_order(self) -> None:
        """Sort by something else."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
        self.action_reload()

    def action_filter(self) -> None:
        """Ask which runs to list."""
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def action_end_filter(self) -> None:
        """List all runs."""
        self.query_one(Input).value = ""
        self._close_filter()

    def on_input_changed(self, message: Input.Changed) -> None:
        """List what has the text, while it is typed."""
        message.stop()
        self.wanted = message.value
        self.action_reload()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Back to the list."""
        message.stop()
        self._close_filter()

    def action_choose(self) -> None:
        """Watch the highlighted run, with the marked ones beside it."""
        run = self._highlighted
        if run is not None:
            self.post_message(self.Chosen(run, [other for other in self.marked if other != run][: MAX_OVERLAID - 1]))

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Watch the chosen run."""
        message.stop()
        self.action_choose()

    @property
    def _highlighted(self) -> RunFolder | None:
        index = self.query_one(OptionList).highlighted
        return None if index is None or index >= len(self.runs) else self.runs[index]

    def _close_filter(self) -> None:
        self.query_one(Input).display = False
        self.query_one(OptionList).focus()

    def _show_title(self, num_listed: int, num_runs: int) -> None:
        shown = f"  {num_listed:,} of {num_runs:,} with {self.wanted!r}" if self.wanted else f"  {num_runs:,}"
        self.query_one(Static).update(clean(f"runs in {self._runs_dir}{shown}, by {self.order}"))

    def _line(self, entry: "Entry") -> Text:
        mark = "◉" if entry.run in self.marked else " "
        return Text(f"{mark} {entry.text}", no_wrap=True, overflow="ellipsis")


@dataclass(frozen=True)
class Entry:
    """A run of the list: what it is sorted by, and its line, which is safe to show."""

    run: RunFolder
    text: str
    step: float = -1.0
    psnr: float = -math.inf


_SORT_KEYS: Mapping[str, Callable[[Entry], Any]] = {
    "last active": lambda entry: 0,
    "name": lambda entry: entry.run.name.casefold(),
    "step": lambda entry: -entry.step,
    "best PSNR": lambda entry: -entry.psnr,
}
ORDERS = tuple(_SORT_KEYS)


def entry_of(run: RunFolder, now: float) -> Entry:
    """A run with its line: state, name, step, best PSNR, last sign of life."""
    try:
        status = run.read_status()
    except RunError:
        return Entry(run, f"? {clean(run.name)}  run.json cannot be read")
    psnr = _best_psnr(status)
    best = "" if psnr is None else f"  {short_number(psnr)} dB"
    age = duration(heartbeat_age(status, now))
    text = f"{_state(status, now):10}  {clean(run.name)}  {_step(status)}{best}  {age} ago"
    return Entry(run, text, number(status, "step") or 0.0, -math.inf if psnr is None else psnr)


def _best_psnr(status: Mapping[str, Any]) -> float | None:
    best = status.get("best")
    entry = best.get("psnr") if isinstance(best, Mapping) else None
    return number({"psnr": entry[0]}, "psnr") if isinstance(entry, list) and entry else None


def _state(status: dict[str, Any], now: float) -> str:
    name = str(status.get("status", "unknown"))
    if name == "running" and not is_alive(status, now):
        return "✖ dead"
    return f"{SIGNS.get(name, '?')} {clean(name, 20)}"


def _step(status: dict[str, Any]) -> str:
    step, total = number(status, "step"), number(status, "total_steps")
    if step is None:
        return "step –"
    share = share_done(status, int(step))
    planned = f"/{int(total):,}" if total else ""
    return f"step {int(step):,}{planned}" + ("" if share is None else f" ({percent(share)})")
