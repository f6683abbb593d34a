"""The list of runs in a folder, the one active last first."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import OptionList, Static

from vqtool.core.text import clean
from vqtool.dash.alarms import heartbeat_age, number
from vqtool.dash.panels.chart_view import RUN_LABELS
from vqtool.dash.panels.key_bar import KeyBar
from vqtool.dash.panels.status import SIGNS
from vqtool.dash.progress import share_done
from vqtool.dash.text import duration, percent
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
        Binding("r", "reload", "Reload"),
    ]
    DEFAULT_CSS = """
    PickerScreen > Static { height: 1; padding: 0 1; text-style: bold; }
    PickerScreen > OptionList, PickerScreen > OptionList:focus { height: 1fr; border: none; padding: 0; }
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
        self.marked: list[RunFolder] = []

    def compose(self) -> ComposeResult:
        """A title, the runs, the keys."""
        yield Static(clean(f"runs in {self._runs_dir}"), markup=False)
        yield OptionList(markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """List the runs, and keep the list up to date."""
        self.action_reload()
        self.set_interval(RELOAD_SECONDS, self.action_reload)

    def action_reload(self) -> None:
        """List the runs anew, and keep the highlighted one."""
        options = self.query_one(OptionList)
        runs = list(list_runs(self._runs_dir))[:MAX_RUNS]
        self.marked = [run for run in self.marked if run in runs]
        lines = [self._line(run) for run in runs]
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

    def _line(self, run: RunFolder) -> Text:
        mark = "◉" if run in self.marked else " "
        return Text(f"{mark} {run_line(run, time.time())}", no_wrap=True, overflow="ellipsis")


def run_line(run: RunFolder, now: float) -> str:
    """A run in one line: state, name, step, last sign of life."""
    try:
        status = run.read_status()
    except RunError:
        return f"? {clean(run.name)}  run.json cannot be read"
    age = duration(heartbeat_age(status, now))
    return f"{_state(status, now):10}  {clean(run.name)}  {_step(status)}  {age} ago"


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
