"""All charts of a run, or of several: as many as fit at a readable size, the rest on further pages."""

import math
from collections.abc import Sequence
from dataclasses import replace

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Static

from vqtool.core.text import clean
from vqtool.dash.marks import Mark, names_of, signs_of
from vqtool.dash.panels.chart import Chart, ChartPalette
from vqtool.dash.panels.chart_mouse import MouseChart
from vqtool.dash.panels.chart_order import metric_rank
from vqtool.dash.panels.chart_view import (
    DECAYS,
    RUN_LABELS,
    ChartView,
    Line,
    extent_of,
    fitting_decay,
    lines_by_metric,
    translated,
)
from vqtool.dash.plotting.axis import XKind, point_label
from vqtool.dash.plotting.ranges import Range
from vqtool.dash.saved_view import SavedView
from vqtool.dash.store import MetricStore

CHART_WIDTH, CHART_HEIGHT = 38, 7
MAX_COLUMNS = 4
X_KINDS: tuple[XKind, ...] = ("step", "seconds", "clock")
KEY_ZOOM, KEY_PAN = 0.6, 0.25


class ChartGrid(ChartPalette):
    """The charts, in pages; keys act on the selected one, or where they concern the x axis, on all."""

    DEFAULT_CSS = """
    ChartGrid { layout: grid; }
    ChartGrid > #no-metrics { column-span: 1; padding: 1 2; }
    ChartGrid > #runs { dock: top; height: 1; padding: 0 1; display: none; }
    """

    class CursorMoved(Message):
        """The cursor is at `step` of the main run, or nowhere."""

        def __init__(self, step: int | None) -> None:
            super().__init__()
            self.step = step

    class NoteChanged(Message):
        """`note` is another one."""

    def __init__(self, *, id: str | None = None) -> None:
        legend = Static(id="runs", markup=False)
        super().__init__(legend, Static("no metrics yet", id="no-metrics", markup=False), id=id)
        self.charts: list[Chart] = []
        self._mounted: set[Chart] = set()
        self.view = ChartView()
        self.selected = 0
        self.enlarged = False
        self._chosen_decay: float | None = None
        self._stores: Sequence[MetricStore] = ()
        self._lines: dict[str, list[Line]] = {}
        self._told_note = ""
        self._saved = SavedView()
        self._marks: Sequence[Mark] = ()
        self._signs_key: object = None

    def restore(self, saved: SavedView) -> None:
        """Begin with what was seen the last time; what concerns a chart waits for it."""
        self._saved, self.enlarged = saved, saved.enlarged
        self._chosen_decay = saved.decay if saved.decay in DECAYS else None
        self.view = ChartView(saved.x_kind, saved.log_x, saved.clip_outliers, extent=saved.extent, window=saved.window)

    def saved(self, panel: int) -> SavedView:
        """What is seen, for the next time."""
        view, metric = self.view, self.charts[self.selected].metric if self.charts else self._saved.metric
        log_y = tuple(chart.metric for chart in self.charts if chart.log_y)
        y_windows = {chart.metric: chart.y_window for chart in self.charts if chart.y_window is not None}
        if not self.charts:
            log_y, y_windows = self._saved.log_y, dict(self._saved.y_windows)
        axes = view.x_kind, view.wants_log_x, view.clip_outliers, self._chosen_decay, view.extent, view.window
        return SavedView(panel, metric, self.enlarged, *axes, log_y, y_windows)

    def show_names(self, names: Sequence[str]) -> None:
        """Say which letter stands for which run, where there are several; names are untrusted."""
        legend = self.query_one("#runs", Static)
        legend.display = len(names) > 1
        text = Text(end="", no_wrap=True, overflow="ellipsis")
        for number, name in enumerate(names[: len(RUN_LABELS)]):
            style = self.charts[0].run_style(number) if self.charts else ""
            text.append(f"{RUN_LABELS[number]} {clean(name, 40)}  ", style)
        legend.update(text)

    def show(self, stores: Sequence[MetricStore], marks: Sequence[Mark] = ()) -> None:
        """Draw what the stores hold now, a store a run, the main run first; `marks` are the main run's."""
        self._stores, self._lines = stores, lines_by_metric(stores)
        if marks != self._marks:
            self._marks, self._signs_key = marks, None
        decay = self._chosen_decay if self._chosen_decay is not None else fitting_decay(self._lines)
        self.view = replace(self.view, decay=decay)
        if set(self._lines) != {chart.metric for chart in self.charts}:
            self._change_charts()
        self._fit_axis()

    @property
    def pages(self) -> int:
        """Number of pages, at least one."""
        return max(1, math.ceil(len(self.charts) / math.prod(self._shape)))

    @property
    def page(self) -> int:
        """The page of the selected chart, from 0."""
        return self.selected // math.prod(self._shape)

    @property
    def note(self) -> str:
        """What the eye cannot see on the charts: page, smoothing, zoom, cursor."""
        view = self.view
        notes = [f"page {self.page + 1}/{self.pages}", f"smoothing {view.decay:g}"]
        if view.window is not None:
            notes.insert(0, "–".join(point_label(end, view.x_kind) for end in view.window))
        if view.pointer is not None:
            notes.insert(0, f"at {point_label(view.pointer, view.x_kind)}")
            pointed = self.charts[self.selected].pointed(self._marks) if self.charts else []
            notes[1:1] = filter(None, [names_of(pointed)])
        return ", ".join(notes)

    def select(self, index: int) -> None:
        """Select a chart by its place, and turn to its page."""
        self.selected = max(0, min(index, len(self.charts) - 1))
        self._lay_out()

    def move(self, across: int, down: int) -> None:
        """Select the chart so many places across or rows down."""
        self.select(self.selected + across + down * self._shape[0])

    def turn_page(self, pages: int) -> None:
        """Select the first chart of another page."""
        page = max(0, min(self.page + pages, self.pages - 1))
        self.select(page * math.prod(self._shape))

    def toggle_enlarged(self) -> None:
        """Show the selected chart alone, or all again."""
        self.enlarged = not self.enlarged
        self._lay_out()

    def toggle_log(self) -> None:
        """Switch the y axis of the selected chart."""
        if self.charts:
            self.charts[self.selected].toggle_log()

    def zoom_y(self, change: int) -> None:
        """Zoom the y axis of the selected chart in (1) or out (-1); 0 fits it to what is shown."""
        if self.charts:
            chart = self.charts[self.selected]
            chart.zoom_y(change) if change else chart.fit_y()

    def toggle_log_x(self) -> None:
        """Switch the x axis of all charts between linear and logarithmic."""
        self.view = replace(self.view, wants_log_x=not self.view.wants_log_x)
        self._fit_axis()

    def toggle_outliers(self) -> None:
        """Let outliers leave the picture, or show them again."""
        self._show(replace(self.view, clip_outliers=not self.view.clip_outliers))

    def next_x_axis(self) -> None:
        """Switch the x axis of all charts: steps, time since the start, time of day; what is seen stays the same."""
        old, main = self.view.x_kind, self._main_line()
        new = X_KINDS[(X_KINDS.index(old) + 1) % len(X_KINDS)]
        window, cursor = self.view.window, self.view.cursor
        moved = [
            None if x is None or main is None else translated(x, main, old, new) for x in (*(window or ()), cursor)
        ]
        ends = [end for end in moved[:-1] if end is not None]
        shown = (ends[0], ends[1]) if len(ends) == 2 and ends[0] < ends[1] else None
        extent = extent_of(self._every_line, new, self.view.wants_log_x and new != "clock")
        self.view = replace(self.view, x_kind=new, extent=extent, window=shown, cursor=moved[-1], hover=None)
        self._fit_axis()

    def change_smoothing(self, change: int) -> None:
        """Smooth training curves more or less; from then on it no longer follows their length."""
        index = max(0, min(DECAYS.index(self.view.decay) + change, len(DECAYS) - 1))
        self._chosen_decay = DECAYS[index]
        self._show(replace(self.view, decay=self._chosen_decay))

    def zoom(self, change: int) -> None:
        """Zoom all charts in (1) or out (-1) around the cursor, else the middle."""
        if not self._lines:
            return
        low, high = self.view.shown
        cursor = self.view.cursor
        centre = cursor if cursor is not None and low <= cursor <= high else None
        self._show(self.view.zoomed(KEY_ZOOM**change, centre))

    def pan(self, change: int) -> None:
        """Move the window of all charts to the left (-1) or to the right (1)."""
        self._show(self.view.panned(change * KEY_PAN))

    def reset_zoom(self) -> None:
        """Show the whole x axis."""
        self._show(replace(self.view, window=None))

    def move_cursor(self, columns: int) -> None:
        """Move the cursor by so many columns of the selected chart, to a point of the main run; first to the end."""
        main = self._main_line()
        if main is None:
            return
        if self.view.cursor is None:
            self._point_at(self.view.shown[1])
            return
        plot = self.charts[self.selected].plot
        num_columns = 40 if plot is None else max(1, plot.codes.shape[1] - plot.left)
        target = self.view.moved(self.view.cursor, columns / num_columns)
        self._point_at(main.neighbour(self.view.x_kind, self.view.cursor, target))

    def point_at_step(self, step: int) -> None:
        """Put the cursor at a step of the main run, without telling anybody."""
        main = self._main_line()
        if main is not None:
            self._show(replace(self.view, cursor=translated(float(step), main, "step", self.view.x_kind)))

    def hide_cursor(self) -> None:
        """No cursor: the charts show their last values."""
        self._show(replace(self.view, cursor=None, hover=None))
        self.post_message(self.CursorMoved(None))

    def on_resize(self, event: events.Resize) -> None:
        """Fit the grid to the room there is."""
        self._lay_out()

    def on_mouse_chart_chosen(self, message: MouseChart.Chosen) -> None:
        """A click selects; a click on the title of the selected chart enlarges it."""
        message.stop()
        if isinstance(message.chart, Chart):
            if message.chart.is_selected and message.on_title:
                self.toggle_enlarged()
            else:
                self.select(self.charts.index(message.chart))

    def on_mouse_chart_pointed(self, message: MouseChart.Pointed) -> None:
        """All charts read their values where the mouse is."""
        message.stop()
        if message.chosen and message.x is not None:
            self._point_at(message.x)
        else:
            self._show(replace(self.view, hover=message.x))

    def on_mouse_chart_zoomed(self, message: MouseChart.Zoomed) -> None:
        """The wheel zooms all charts."""
        message.stop()
        self._show(self.view.zoomed(message.factor, message.x))

    def on_mouse_chart_panned(self, message: MouseChart.Panned) -> None:
        """Dragging moves all charts."""
        message.stop()
        self._show(self.view.panned(message.share))

    def on_mouse_chart_reset_wanted(self, message: MouseChart.ResetWanted) -> None:
        """A double click shows everything again."""
        message.stop()
        self.reset_zoom()

    @property
    def _shape(self) -> tuple[int, int]:
        """Columns and rows of a page."""
        width, height = self.size
        height -= int(len(self._stores) > 1)
        columns = max(1, min(MAX_COLUMNS, width // CHART_WIDTH, len(self.charts)))
        rows = max(1, min(height // CHART_HEIGHT, math.ceil(len(self.charts) / columns)))
        return columns, rows

    @property
    def _every_line(self) -> list[Line]:
        return [line for lines in self._lines.values() for line in lines]

    def _main_line(self) -> Line | None:
        """The longest line of the main run: its steps and times stand for the run's."""
        return max(
            (line for line in self._every_line if line.run == 0), key=lambda line: len(line.series), default=None
        )

    def _point_at(self, x: float) -> None:
        """Put the cursor at `x`, and tell at which step that is."""
        main = self._main_line()
        if main is not None:
            self._show(replace(self.view, cursor=x, hover=None).revealing(x))
            step = translated(x, main, self.view.x_kind, "step")
            self.post_message(self.CursorMoved(None if step is None else round(step)))

    def _fit_axis(self) -> None:
        """Fit the x axis to what there is."""
        view = self.view
        resumes = self._stores[0].resumes if self._stores else []
        started = (self._stores[0].first_time() or 0.0) if self._stores else 0.0
        origin = started if view.x_kind == "seconds" else 0.0
        marks = tuple(float(resume.step) if view.x_kind == "step" else resume.time - origin for resume in resumes)
        if self._signs_key != (view.x_kind, started):
            self._signs_key = view.x_kind, started
            view = replace(view, signs=signs_of(self._marks, view.x_kind, started))
        extent: Range = extent_of(self._every_line, view.x_kind, view.log_x)
        self._show(replace(view, marks=marks).stretched(extent))

    def _show(self, view: ChartView) -> None:
        self.view = view
        for chart in self.charts:
            chart.show(self._lines.get(chart.metric, ()), view, len(self._stores))
        self._tell_note()

    def _change_charts(self) -> None:
        known = {chart.metric: chart for chart in self.charts}
        selected = self.charts[self.selected].metric if self.charts else self._saved.metric
        for metric, chart in known.items():
            if metric not in self._lines and chart in self._mounted:
                self._mounted.discard(chart)
                chart.remove()
        self.charts = [known.get(metric) or Chart(metric, self) for metric in sorted(self._lines, key=metric_rank)]
        for chart in self.charts:
            if chart.metric not in known:
                chart.log_y = chart.metric in self._saved.log_y
                chart.y_window = self._saved.y_windows.get(chart.metric)
        names = [chart.metric for chart in self.charts]
        self.select(names.index(selected) if selected in names else 0)

    def _lay_out(self) -> None:
        columns, rows = (1, 1) if self.enlarged else self._shape
        self.styles.grid_size_columns, self.styles.grid_size_rows = columns, rows
        first = self.selected if self.enlarged else self.page * columns * rows
        before: Chart | None = None
        for index, chart in enumerate(self.charts):
            shown = first <= index < first + columns * rows
            if shown and chart not in self._mounted:
                self._mounted.add(chart)
                self.mount(chart, **({"before": 1} if before is None else {"after": before}))
            chart.display = shown
            before = chart if chart in self._mounted else before
            chart.select(index == self.selected)
        self.query_one("#no-metrics").display = not self.charts
        self._tell_note()

    def _tell_note(self) -> None:
        if self.note != self._told_note:
            self._told_note = self.note
            self.post_message(self.NoteChanged())
