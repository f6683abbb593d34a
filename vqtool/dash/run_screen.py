"""The screen of one run: the panels, what keeps them up to date, and what the keys do."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import Footer

from vqtool.core.text import clean
from vqtool.dash import keys
from vqtool.dash.dialogs import ConfirmScreen, HelpScreen
from vqtool.dash.images import ImageMode
from vqtool.dash.panels.chart_grid import ChartGrid
from vqtool.dash.panels.codebook import CodebookPanel
from vqtool.dash.panels.log import LinesView, LogPanel
from vqtool.dash.panels.preview import PreviewPanel
from vqtool.dash.panels.run import RunPanel
from vqtool.dash.panels.status import StatusBar, TabBar
from vqtool.dash.picture_actions import PictureActions
from vqtool.dash.reader import Update
from vqtool.dash.state import RunState
from vqtool.dash.summary import event_text, summarise
from vqtool.dash.watcher import RunWatcher
from vqtool.errors import VqtoolError
from vqtool.runs.control import Request, send_request
from vqtool.runs.folder import RunFolder, is_alive

LARGE_WIDTH, LARGE_HEIGHT = 120, 36
DRAW_SECONDS = 0.1
QUESTIONS: Mapping[Request, str] = {
    "stop": "Stop the training after this step? It writes a checkpoint first and can be resumed.",
    "checkpoint": "Write a checkpoint now?",
    "preview": "Write a preview now?",
    "evaluate": "Evaluate now?",
}
_SEVERITIES: Mapping[str, Literal["information", "warning"]] = {"request": "information", "alarm": "warning"}


class RunScreen(PictureActions):
    """Watches a run folder and shows it."""

    BINDINGS: ClassVar[list[BindingType]] = keys.BINDINGS
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    RunScreen #panels { height: 1fr; }
    RunScreen #panels > * { display: none; }
    RunScreen #panels > .-active { display: block; }
    RunScreen #panels.-overview {
        layout: grid; grid-size: 2 3; grid-columns: 2fr 1fr; grid-rows: 5fr 3fr 3fr; grid-gutter: 0 1;
    }
    RunScreen #panels.-overview > * { display: block; }
    RunScreen #panels.-overview > #charts { row-span: 3; }
    RunScreen #panels.-overview > #run { display: none; }
    """

    class Changed(Message):
        """The run folder gained something."""

        def __init__(self, update: Update) -> None:
            super().__init__()
            self.update = update

    class RunsWanted(Message):
        """The user wants to choose from the runs in `runs_dir`."""

        def __init__(self, runs_dir: Path) -> None:
            super().__init__()
            self.runs_dir = runs_dir

    def __init__(self, run: RunFolder, images: ImageMode = "blocks") -> None:
        super().__init__()
        self._images: ImageMode = images
        self.state = RunState(run)
        self.active = 0
        self._opened = time.time()
        self._drawing_due = False
        self._large = False
        self._stale: set[str] = set()
        self._watcher = RunWatcher(run, lambda update: self.post_message(self.Changed(update)))

    def compose(self) -> ComposeResult:
        """The status above, the panels, the keys below."""
        yield StatusBar(id="status")
        yield TabBar([name.capitalize() for name in keys.PANELS])
        with Container(id="panels"):
            yield ChartGrid(id="charts")
            without_colour = self.app.no_color and self._images == "blocks"
            yield PreviewPanel(images="shades" if without_colour else self._images, id="preview")
            yield CodebookPanel(colours=not self.app.no_color, id="codebook")
            yield LogPanel(id="log")
            yield RunPanel(id="run")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to watch."""
        self._show_panels()
        self.set_interval(1.0, self._show_status)
        self._watcher.start()

    def on_unmount(self) -> None:
        """End watching."""
        self._watcher.stop()

    def on_resize(self, event: events.Resize) -> None:
        """Show all panels beside each other where there is room."""
        self._large = event.size.width >= LARGE_WIDTH and event.size.height >= LARGE_HEIGHT
        self._show_panels()

    def on_run_screen_changed(self, message: Changed) -> None:
        """Take in an update now, and draw soon: updates that come together are drawn once."""
        message.stop()
        self.state.apply(message.update)
        self._note_stale(message.update)
        self._tell(message.update.events)
        if not self._drawing_due:
            self._drawing_due = True
            self.set_timer(DRAW_SECONDS, self._draw)

    def on_tab_bar_chosen(self, message: TabBar.Chosen) -> None:
        """A panel's name was clicked."""
        self.action_panel(message.index)

    @property
    def overview(self) -> bool:
        """Whether all panels are shown beside each other."""
        return self._large and self.active == 0

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer a panel's keys only while the panel is seen."""
        panel = keys.PANEL_OF_ACTION.get(action)
        return panel is None or self.overview or panel == keys.PANELS[self.active]

    def action_panel(self, index: int) -> None:
        """Show a panel."""
        self.active = index
        self._show_panels()

    def action_next_panel(self, change: int) -> None:
        """Show the next panel."""
        self.action_panel((self.active + change) % len(keys.PANELS))

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen(keys.HELP))

    def action_enlarge(self) -> None:
        """Enlarge the selected chart, or show all again."""
        self._charts.toggle_enlarged()

    def action_log_axis(self) -> None:
        """Switch the selected chart's y axis."""
        self._charts.toggle_log()

    def action_time_axis(self) -> None:
        """Switch the charts' x axis."""
        self._charts.toggle_time()
        self._show_tabs()

    def action_smooth(self, change: int) -> None:
        """Smooth more or less."""
        self._charts.change_smoothing(change)
        self._show_tabs()

    def action_select(self, across: int, down: int) -> None:
        """Select another chart."""
        self._charts.move(across, down)
        self._show_tabs()

    def action_page(self, change: int) -> None:
        """Turn the page of charts."""
        self._charts.turn_page(change)
        self._show_tabs()

    def action_request(self, request: Request) -> None:
        """Ask the trainer for something, once the user has confirmed; say so where there is no trainer."""
        if not is_alive(self.state.status, time.time()):
            status = clean(self.state.status.get("status", "unknown"))
            self.notify(f"No trainer is at work in this run ({status}).", severity="warning", markup=False)
            return
        self.app.push_screen(ConfirmScreen(QUESTIONS[request]), lambda yes: self._request(request) if yes else None)

    def action_runs(self) -> None:
        """Go to the list of runs."""
        self.post_message(self.RunsWanted(self.state.run.path.absolute().parent))

    @property
    def _charts(self) -> ChartGrid:
        return self.query_one(ChartGrid)

    def _request(self, request: Request) -> None:
        try:
            send_request(self.state.run, request)
        except VqtoolError as error:
            self.notify(clean(error), severity="error", markup=False)
        else:
            self.notify(f"Asked the trainer: {request}. It answers after its current step.", markup=False)

    def _show_panels(self) -> None:
        panels = self.query_one("#panels")
        panels.set_class(self.overview, "-overview")
        for name in keys.PANELS:
            self.query_one(f"#{name}").set_class(name == keys.PANELS[self.active], "-active")
        scrolled = {"log": "#console", "run": "#overview"}.get(keys.PANELS[self.active])
        self.set_focus(self.query_one(scrolled, LinesView) if scrolled else None)
        self._show_tabs()
        self.refresh_bindings()

    def _show_tabs(self) -> None:
        charts = self._charts
        note = f"page {charts.page + 1}/{charts.pages}, smoothing {charts.view.decay:g}"
        self.query_one(TabBar).show(self.active, note if self.active == 0 else "")

    def _show_status(self) -> None:
        summary = summarise(self.state, time.time())
        self.query_one(StatusBar).show(summary, self.state.status_error)
        self.query_one(RunPanel).show(self.state, summary)

    def _note_stale(self, update: Update) -> None:
        """Remember which panels the update concerns."""
        if update.metrics or update.metrics_restarted or update.events or update.events_restarted:
            self._stale.add("charts")
        if update.events or update.events_restarted:
            self._stale.add("events")
        if update.console:
            self._stale.add("console")

    def _draw(self) -> None:
        """Bring the panels up to date with the state."""
        stale, self._stale, self._drawing_due = self._stale, set(), False
        log = self.query_one(LogPanel)
        if "charts" in stale:
            self._charts.show(self.state.metrics)
        if "events" in stale:
            log.show_events(self.state.events)
        if "console" in stale:
            log.show_console(self.state.console)
        self._preview.show_codebooks(self.state.codebook_sizes, self.state.segment_frames)
        self._preview.show(self.state.previews, self.state.worst)
        self.query_one(CodebookPanel).show(self.state.codebook, self.state.codebooks, self.state.codebook_sizes)
        self._show_status()
        self._show_tabs()

    def _tell(self, new: Iterable[Mapping[str, Any]]) -> None:
        """Show the trainer's answers and alarms that came while the dashboard was open."""
        for event in new:
            when, kind = event.get("time"), str(event.get("kind"))
            if kind in _SEVERITIES and isinstance(when, int | float) and when >= self._opened:
                text = clean(event_text(event), 200)
                self.notify(text, title="trainer", severity=_SEVERITIES[kind], markup=False)
