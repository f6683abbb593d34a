"""All charts of a run: as many as fit at a readable size, the rest on further pages."""

import math
from collections.abc import Sequence
from dataclasses import replace

from textual import events
from textual.containers import Container
from textual.widgets import Static

from vqtool.dash.panels.chart import Chart, ChartView
from vqtool.dash.store import MetricStore, Series

CHART_WIDTH, CHART_HEIGHT = 38, 7
MAX_COLUMNS = 4
DECAYS = (0.0, 0.6, 0.9, 0.97, 0.99)
SMOOTHED_SHARE = 0.04
FIRST_METRICS = (
    "loss/total",
    "metric/psnr",
    "codebook/perplexity",
    "metric/lpips",
    "loss/pixel",
    "metric/ssim",
    "codebook/used",
    "loss/perceptual",
    "loss/commitment",
    "loss/codebook",
    "codebook/dead",
    "optim/lr",
    "optim/grad_norm",
    "speed/frames_per_second",
    "speed/data_wait_fraction",
)
SPLIT_ORDER = ("train", "val", "test")


class ChartGrid(Container):
    """The charts, in pages; keys act on the selected one."""

    DEFAULT_CSS = """
    ChartGrid { layout: grid; }
    ChartGrid > #no-metrics { column-span: 1; padding: 1 2; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(Static("no metrics yet", id="no-metrics", markup=False), id=id)
        self.charts: list[Chart] = []
        self.view = ChartView()
        self.selected = 0
        self.enlarged = False
        self._chosen_decay: float | None = None
        self._store = MetricStore()

    def show(self, store: MetricStore) -> None:
        """Draw what the store holds now."""
        self._store = store
        first = store.first_time()
        self.view = replace(
            self.view,
            decay=self._chosen_decay if self._chosen_decay is not None else _fitting_decay(store),
            start_time=self.view.start_time if first is None else first,
            resumed_steps=tuple(resume.step for resume in store.resumes),
            resumed_times=tuple(resume.time for resume in store.resumes),
        )
        lines = _lines_by_metric(store)
        if set(lines) != {chart.metric for chart in self.charts}:
            self._change_charts(lines)
        self._show_lines(lines)

    @property
    def pages(self) -> int:
        """Number of pages, at least one."""
        return max(1, math.ceil(len(self.charts) / self._page_size))

    @property
    def page(self) -> int:
        """The page of the selected chart, from 0."""
        return self.selected // self._page_size

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
        self.select(page * self._page_size)

    def toggle_enlarged(self) -> None:
        """Show the selected chart alone, or all again."""
        self.enlarged = not self.enlarged
        self._lay_out()

    def toggle_log(self) -> None:
        """Switch the y axis of the selected chart."""
        if self.charts:
            self.charts[self.selected].toggle_log()

    def toggle_time(self) -> None:
        """Switch the x axis of all charts between steps and time."""
        kind = self.view.x_kind
        self.view = replace(self.view, x_kind="seconds" if kind == "step" else "step")
        self._show_lines(_lines_by_metric(self._store))

    def change_smoothing(self, change: int) -> None:
        """Smooth training curves more or less; from then on it no longer follows their length."""
        index = max(0, min(DECAYS.index(self.view.decay) + change, len(DECAYS) - 1))
        self._chosen_decay = DECAYS[index]
        self.view = replace(self.view, decay=self._chosen_decay)
        self._show_lines(_lines_by_metric(self._store))

    def on_resize(self, event: events.Resize) -> None:
        """Fit the grid to the room there is."""
        self._lay_out()

    def on_chart_selected(self, message: Chart.Selected) -> None:
        """A click selects; a click on the selected chart enlarges it."""
        message.stop()
        if message.chart.is_selected:
            self.toggle_enlarged()
        else:
            self.select(self.charts.index(message.chart))

    @property
    def _shape(self) -> tuple[int, int]:
        """Columns and rows of a page."""
        width, height = self.size
        columns = max(1, min(MAX_COLUMNS, width // CHART_WIDTH, len(self.charts)))
        rows = max(1, min(height // CHART_HEIGHT, math.ceil(len(self.charts) / columns)))
        return columns, rows

    @property
    def _page_size(self) -> int:
        columns, rows = self._shape
        return columns * rows

    def _show_lines(self, lines: dict[str, dict[str, Series]]) -> None:
        for chart in self.charts:
            chart.show(lines.get(chart.metric, {}), self.view)

    def _change_charts(self, metrics: dict[str, dict[str, Series]]) -> None:
        known = {chart.metric: chart for chart in self.charts}
        selected = self.charts[self.selected].metric if self.charts else None
        for metric, chart in known.items():
            if metric not in metrics:
                chart.remove()
        self.charts = [known.get(metric) or Chart(metric) for metric in sorted(metrics, key=_rank)]
        before: Chart | None = None
        for chart in self.charts:
            if chart.metric not in known:
                self.mount(chart, **({"before": 0} if before is None else {"after": before}))
            before = chart
        names = [chart.metric for chart in self.charts]
        self.select(names.index(selected) if selected in names else 0)

    def _lay_out(self) -> None:
        columns, rows = (1, 1) if self.enlarged else self._shape
        self.styles.grid_size_columns, self.styles.grid_size_rows = columns, rows
        first = self.selected if self.enlarged else self.page * columns * rows
        for index, chart in enumerate(self.charts):
            chart.display = first <= index < first + columns * rows
            chart.select(index == self.selected)
        self.query_one("#no-metrics").display = not self.charts


def _lines_by_metric(store: MetricStore) -> dict[str, dict[str, Series]]:
    lines: dict[str, dict[str, Series]] = {}
    for (split, metric), series in sorted(store.items(), key=lambda item: _split_rank(item[0][0])):
        lines.setdefault(metric, {})[split] = series
    return lines


def _fitting_decay(store: MetricStore) -> float:
    """The strongest smoothing that averages over no more than a share of the longest training curve."""
    longest = max((len(series) for (split, _), series in store.items() if split == "train"), default=0)
    return max(decay for decay in DECAYS if decay == 0 or 1 / (1 - decay) <= longest * SMOOTHED_SHARE)


def _split_rank(split: str) -> tuple[int, str]:
    return _place(split, SPLIT_ORDER), split


def _rank(metric: str) -> tuple[int, str]:
    return _place(metric, FIRST_METRICS), metric


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)
