"""The screen of one run: the panels, what keeps them up to date, and what the keys do."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.reactive import reactive

from vqtool.core.text import clean
from vqtool.dash import keys
from vqtool.dash.alarms import Alarm
from vqtool.dash.chart_actions import ChartActions
from vqtool.dash.dialogs import ConfirmScreen, HelpScreen
from vqtool.dash.images import ImageMode
from vqtool.dash.marks import marks_of
from vqtool.dash.panels.chart_grid import ChartGrid
from vqtool.dash.panels.codebook import CodebookPanel
from vqtool.dash.panels.key_bar import KeyBar
from vqtool.dash.panels.lines import LinesView
from vqtool.dash.panels.log import LogPanel
from vqtool.dash.panels.preview import PreviewPanel
from vqtool.dash.panels.run import RunPanel
from vqtool.dash.panels.status import StatusBar, TabBar
from vqtool.dash.picture_actions import PictureActions
from vqtool.dash.reader import Update
from vqtool.dash.saved_view import load_view, save_view
from vqtool.dash.state import RunState
from vqtool.dash.summary import event_text, summarise
from vqtool.dash.text import percent
from vqtool.dash.watcher import RunWatcher
from vqtool.errors import VqtoolError
from vqtool.runs.control import Request, send_request
from vqtool.runs.folder import RunFolder, is_alive

LARGE_WIDTH, LARGE_HEIGHT = 120, 36
DRAW_SECONDS = 0.1
STATUS_SECONDS = 2.0
"""How often the ages and durations of a silent run go on."""
SECONDS_A_POINT, MAX_CHARTS_SECONDS = 3e-5, 30.0
"""The charts of a long run are drawn the less often, the more points they have: so it costs a share of the time."""
QUESTIONS: Mapping[Request, str] = {
    "stop": "Stop the training after this step? It writes a checkpoint first and can be resumed.",
    "checkpoint": "Write a checkpoint now?",
    "preview": "Write a preview now?",
    "evaluate": "Evaluate now?",
}
_SEVERITIES: Mapping[str, Literal["information", "warning"]] = {
    "request": "information",
    "alarm": "warning",
    "stall": "warning",
}


class RunScreen(ChartActions, PictureActions):
    """Watches a run folder and shows it; further runs are drawn into the same charts.

    `cursor_step` is the step of the charts' cursor, None where there is none: panels that show a step may watch it.
    """

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

    cursor_step: reactive[int | None] = reactive(None)

    class Changed(Message):
        """The folder of a run gained something."""

        def __init__(self, state: RunState, update: Update) -> None:
            super().__init__()
            self.state = state
            self.update = update

    class RunsWanted(Message):
        """The user wants to choose from the runs in `runs_dir`."""

        def __init__(self, runs_dir: Path) -> None:
            super().__init__()
            self.runs_dir = runs_dir

    def __init__(self, run: RunFolder, images: ImageMode = "blocks", *, others: Sequence[RunFolder] = ()) -> None:
        """Show `run`, and the curves of `others` beside its own; `images` is how pictures are drawn."""
        super().__init__()
        self._images: ImageMode = images
        self.state = RunState(run)
        self.others = [RunState(other) for other in others]
        self._charts = ChartGrid(id="charts")
        self._kept = saved = load_view(run)
        self._charts.restore(saved)
        self.active = saved.panel % len(keys.PANELS)
        self._opened = time.time()
        self._drawing_due = self._charts_due = False
        self._charts_at = self._status_at = 0.0
        self._large = False
        self._stale: set[str] = set()
        self._alarms: set[tuple[str, str]] | None = None
        self._dismissed: set[tuple[str, str]] = set()
        self._watchers = [self._watcher_of(state) for state in (self.state, *self.others)]

    def compose(self) -> ComposeResult:
        """The status above, the panels, the keys below."""
        yield StatusBar(id="status")
        yield TabBar([name.capitalize() for name in keys.PANELS])
        with Container(id="panels"):
            yield self._charts
            without_colour = self.app.no_color and self._images == "blocks"
            yield PreviewPanel(images="shades" if without_colour else self._images, id="preview")
            yield CodebookPanel(colours=not self.app.no_color, id="codebook")
            yield LogPanel(id="log")
            yield RunPanel(id="run")
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin to watch."""
        self._show_panels()
        self.set_interval(STATUS_SECONDS, self._show_time)
        for watcher in self._watchers:
            watcher.start()

    def on_unmount(self) -> None:
        """End watching, and remember what was seen."""
        self.keep_view()
        for watcher in self._watchers:
            watcher.stop()

    def keep_view(self) -> None:
        """Save what is seen where it changed; that a live run grew is no change."""
        view = self._charts.saved(self.active)
        if replace(view, extent=self._kept.extent) != self._kept:
            self._kept = view
            save_view(self.state.run, view)

    def on_resize(self, event: events.Resize) -> None:
        """Show all panels beside each other where there is room."""
        self._large = event.size.width >= LARGE_WIDTH and event.size.height >= LARGE_HEIGHT
        self._show_panels()

    def on_run_screen_changed(self, message: Changed) -> None:
        """Take in an update now, and draw soon: updates that come together are drawn once."""
        message.stop()
        message.state.apply(message.update)
        if message.state is self.state:
            self._note_stale(message.update)
            self._tell(message.update.events)
        else:
            self._stale.add("charts")
        is_complete = message.update.earlier_metrics and not message.update.share_unread
        if is_complete or message.update.metrics_restarted:
            self._charts_at = 0.0
        if is_complete:
            self._draw()
        elif not self._drawing_due:
            self._drawing_due = True
            self.set_timer(DRAW_SECONDS, self._draw)

    def on_chart_grid_cursor_moved(self, message: ChartGrid.CursorMoved) -> None:
        """The charts' cursor went to another step."""
        message.stop()
        self.cursor_step = message.step

    def on_chart_grid_note_changed(self, message: ChartGrid.NoteChanged) -> None:
        """What the charts show is to be told in another way."""
        message.stop()
        self._show_tabs()

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

    def on_preview_panel_step_shown(self, message: PreviewPanel.StepShown) -> None:
        """The preview went to a step: so does the charts' cursor."""
        message.stop()
        self.charts.point_at_step(message.step)

    def action_request(self, request: Request) -> None:
        """Ask the trainer for something, once the user has confirmed; say so where there is no trainer."""
        if not is_alive(self.state.status, time.time()):
            status = clean(self.state.status.get("status", "unknown"))
            self.notify(f"No trainer is at work in this run ({status}).", severity="warning", markup=False)
            return
        self.app.push_screen(ConfirmScreen(QUESTIONS[request]), lambda yes: self._request(request) if yes else None)

    def action_dismiss_alarms(self) -> None:
        """Show the present alarms no longer."""
        self._dismissed |= self._alarms or set()
        self._show_status()

    def action_runs(self) -> None:
        """Go to the list of runs."""
        self.post_message(self.RunsWanted(self.state.run.path.absolute().parent))

    @property
    def charts(self) -> ChartGrid:
        """The charts."""
        return self._charts

    def _watcher_of(self, state: RunState) -> RunWatcher:
        return RunWatcher(state.run, lambda update: self.post_message(self.Changed(state, update)))

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
        self._show_status()
        self.refresh_bindings()

    def _show_tabs(self) -> None:
        loading = f"loading {percent(1 - self.state.share_unread)}, " if self.state.share_unread else ""
        self.query_one(TabBar).show(self.active, loading + self.charts.note if self.active == 0 else "")

    def _show_time(self) -> None:
        """Show the status anew, unless an update just did; and keep the view, should nobody get to quit."""
        self.keep_view()
        if time.monotonic() - self._status_at > STATUS_SECONDS / 2:
            self._show_status()

    def _show_status(self) -> None:
        self._status_at = time.monotonic()
        summary = summarise(self.state, time.time())
        self._note_alarms(summary.alarms)
        seen = tuple(alarm for alarm in summary.alarms if alarm.identity not in self._dismissed)
        self.query_one(StatusBar).show(replace(summary, alarms=seen), self.state.status_error)
        if keys.PANELS[self.active] == "run":
            self.query_one(RunPanel).show(self.state, summary)

    def _note_alarms(self, alarms: Sequence[Alarm]) -> None:
        """Ring for what is new since the run was opened; a fault that went away is told anew when it comes back."""
        present = {alarm.identity for alarm in alarms}
        if self._alarms is not None and present - self._alarms:
            self.app.bell()
        if self.state.status:
            self._alarms = present
            self._dismissed &= present

    def _note_stale(self, update: Update) -> None:
        """Remember which panels the update concerns."""
        metrics = update.metrics or update.earlier_metrics or update.metrics_restarted
        if metrics or update.events or update.events_restarted:
            self._stale.add("charts")
        if update.events or update.events_restarted:
            self._stale.add("events")
        if update.console:
            self._stale.add("console")
        found = (update.status, update.status_error, update.previews, update.worst, update.codebooks)
        if update.metrics or update.events or not update.share_unread or any(part is not None for part in found):
            self._stale.add("facts")

    def _draw(self) -> None:
        """Bring the panels up to date with the state."""
        stale, self._stale, self._drawing_due = self._stale, set(), False
        log = self.query_one(LogPanel)
        if "charts" in stale:
            self._draw_charts()
        self._show_tabs()
        if "events" in stale:
            log.show_events(self.state.events)
        if "console" in stale:
            log.show_console(self.state.console)
        if "facts" not in stale:
            return
        self._preview.show_codebooks(self.state.codebook_sizes, self.state.segment_frames)
        self._preview.show(self.state.previews, self.state.worst)
        self.query_one(CodebookPanel).show(self.state.codebook, self.state.codebooks, self.state.codebook_sizes)
        self._show_status()

    def _draw_charts(self) -> None:
        """Draw the charts, or where many points were drawn just now, remember to do it later."""
        left = self._charts_at - time.monotonic()
        if left > 0:
            self._stale.add("charts")
            if not self._charts_due:
                self._charts_due = True
                self.set_timer(left, self._draw_late)
            return
        stores = [state.metrics for state in (self.state, *self.others)]
        num_points = sum(len(series) for store in stores for _, series in store.items())
        self._charts_at = time.monotonic() + min(MAX_CHARTS_SECONDS, num_points * SECONDS_A_POINT)
        self.charts.show_names([state.run.name for state in (self.state, *self.others)])
        self.charts.show(stores, marks_of(self.state.events))

    def _draw_late(self) -> None:
        self._charts_due = False
        self._draw()

    def _tell(self, new: Iterable[Mapping[str, Any]]) -> None:
        """Show the trainer's answers and alarms that came while the dashboard was open."""
        for event in new:
            when, kind = event.get("time"), str(event.get("kind"))
            if kind in _SEVERITIES and isinstance(when, int | float) and when >= self._opened:
                text = clean(event_text(event), 200)
                self.notify(text, title="trainer", severity=_SEVERITIES[kind], markup=False)
