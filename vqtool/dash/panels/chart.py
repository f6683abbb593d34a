"""The chart of one metric: a title with values, and curves below it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from rich.style import Style
from textual.containers import Container
from textual.strip import Strip

from vqtool.dash.marks import Mark
from vqtool.dash.panels.chart_mouse import MouseChart
from vqtool.dash.panels.chart_title import Reading, axis_note, heading, title_strip
from vqtool.dash.panels.chart_view import RUN_LABELS, ChartView, Line
from vqtool.dash.panels.strips import character_strip
from vqtool.dash.plotting.axis import point_label
from vqtool.dash.plotting.curve import LARGEST, Curve
from vqtool.dash.plotting.plot import AXIS, FIRST_CURVE, Axes, Plot, draw_plot
from vqtool.dash.plotting.ranges import Range

SPLIT_MARKERS = {"train": "─", "val": "◆", "test": "■"}
OTHER_MARKER = "▲"
NUM_RUN_COLOURS = 6
Y_ZOOM, SMALLEST_Y_SHARE = 0.6, 1e-9
EXACT_METRICS = {"optim/lr"}
"""Metrics without noise, which smoothing would only delay."""


class ChartPalette(Container):
    """What holds charts, and the colours of all of them: Textual works out the styles of a widget one by one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"chart--{name}" for name in ("title", "axis", "alarm", "mark", "cursor", "train", "val", "test", "raw")),
        *(f"chart--run-{number}" for number in range(NUM_RUN_COLOURS)),
    }
    DEFAULT_CSS = """
    ChartPalette > .chart--title { text-style: bold; color: $foreground; }
    ChartPalette > .chart--axis { color: $foreground 60%; }
    ChartPalette > .chart--alarm { color: $text-error; text-style: bold; }
    ChartPalette > .chart--mark { color: $secondary-lighten-2; text-style: bold; }
    ChartPalette > .chart--cursor { color: $foreground; text-style: reverse; }
    ChartPalette > .chart--train, ChartPalette > .chart--run-0 { color: $primary-lighten-2; }
    ChartPalette > .chart--raw { color: $primary-darken-1; }
    ChartPalette > .chart--val, ChartPalette > .chart--run-1 { color: $warning; text-style: bold; }
    ChartPalette > .chart--test, ChartPalette > .chart--run-2 { color: $success; text-style: bold; }
    ChartPalette > .chart--run-3 { color: $error-lighten-2; }
    ChartPalette > .chart--run-4 { color: $secondary-lighten-2; }
    ChartPalette > .chart--run-5 { color: $foreground; }
    """


class Chart(MouseChart):
    """The curves of one metric, a curve a split and run; training is a smoothed line, the others dotted with markers.

    One run's splits are told by colours and markers, several runs by colours and letters.
    """

    DEFAULT_CSS = "Chart { width: 1fr; height: 1fr; padding: 0 1 0 0; }"

    def __init__(self, metric: str, palette: ChartPalette) -> None:
        """Of `metric`, in the colours of `palette`."""
        super().__init__()
        self.metric = metric
        self._palette = palette
        self.log_y = False
        self.y_window: Range | None = None
        self.is_selected = False
        self.num_runs = 1
        self._lines: Sequence[Line] = ()
        self._view = ChartView()
        self._curves: dict[tuple[int, str], tuple[object, Curve]] = {}
        self._key: tuple[object, ...] = ()
        self._plot: Plot | None = None

    @property
    def plot(self) -> Plot | None:
        """The plot as drawn last."""
        return self._plot

    def show(self, lines: Sequence[Line], view: ChartView, num_runs: int = 1) -> None:
        """Draw the lines from now on; costs nothing when neither they nor the view changed."""
        pointer_moved = view.pointer != self._view.pointer
        self._lines, self._view, self.num_runs = lines, view, num_runs
        if pointer_moved or self._current_key() != self._key:
            self.refresh()

    def select(self, selected: bool) -> None:
        """Mark the chart as the one that keys act on."""
        if selected != self.is_selected:
            self.is_selected = selected
            self.refresh()

    def toggle_log(self) -> None:
        """Switch between a linear and a logarithmic y axis."""
        self.log_y, self.y_window = not self.log_y, None
        self.refresh()

    def zoom_y(self, change: int) -> None:
        """Zoom the y axis in (1) or out (-1) around the value at the cursor, else the last one."""
        if self._plot is None or not self._lines:
            return
        # As it will be drawn: a key may come before the last one's picture.
        low, high = self._drawn(self.size.width, self.size.height - 1).y_range
        pointer, curve = self._view.pointer, self._curve(self._lines[0])
        value = curve.y_at(self._view.shown[1] if pointer is None else pointer)
        if self.log_y:
            value = math.log10(value) if value > 0 else math.nan
        centre = value if low <= value <= high else (low + high) / 2
        factor = Y_ZOOM**change
        window = centre - (centre - low) * factor, centre + (high - centre) * factor
        if SMALLEST_Y_SHARE * max(map(abs, window)) < window[1] - window[0] < LARGEST:
            self.y_window = window
            self.refresh()

    def fit_y(self) -> None:
        """Fit the y axis to what is shown."""
        self.y_window = None
        self.refresh()

    def pointed(self, marks: Sequence[Mark]) -> list[Mark]:
        """Of the marks behind the view's signs, those in the column of the pointer."""
        plot, pointer, places = self._plot, self._view.pointer, self._view.signs.x
        column = None if plot is None or pointer is None else plot.column_of(pointer)
        if plot is None or column is None:
            return []
        near = np.flatnonzero((places >= plot.x_at(column - 1)) & (places <= plot.x_at(column + 1)))
        return [marks[index] for index in near.tolist() if plot.column_of(float(places[index])) == column]

    def run_style(self, run: int) -> Style:
        """The style of a run's curves where several are drawn."""
        return self._part(f"run-{run % NUM_RUN_COLOURS}")

    def render_line(self, y: int) -> Strip:
        """Line `y` of the widget: the title, then the plot."""
        width, height = self.size
        plot = self._drawn(width, height - 1)
        if y == 0:
            return self._title(width)
        if y - 1 >= len(plot.codes):
            return Strip.blank(width, self.visual_style.rich_style)
        return self._plot_strip(plot, y - 1)

    def _current_key(self) -> tuple[object, ...]:
        series = tuple((line, line.series.version) for line in self._lines)
        return (
            series,
            replace(self._view, cursor=None, hover=None),
            self.log_y,
            self.y_window,
            self.size,
            self.num_runs,
        )

    def _drawn(self, width: int, height: int) -> Plot:
        key = self._current_key()
        if self._plot is None or key != self._key:
            self._key = key
            self._plot = draw_plot([self._curve(line) for line in self._lines], width, height, self._axes())
        return self._plot

    def _curve(self, line: Line) -> Curve:
        """The line's curve, kept while it does not change: smoothing it is most of the work of drawing."""
        kind = self._view.x_kind
        is_train = line.split == "train"
        decay = self._view.decay if is_train and self.metric not in EXACT_METRICS else 0.0
        key = line, line.series.version, kind, decay, self.num_runs
        known = self._curves.get((line.run, line.split))
        if known is not None and known[0] == key:
            return known[1]
        x, y = line.x(kind), line.series.value
        if kind != "step" and len(x) > 1 and not np.all(np.diff(x) >= 0):
            order = np.argsort(x, kind="stable")
            x, y = x[order], y[order]
        marker = "●" if is_train else _marker(line.split)
        curve = Curve(x, y, marker, decay, dotted=not is_train, label=self._run_label(line))
        self._curves[line.run, line.split] = key, curve
        return curve

    def _axes(self) -> Axes:
        view = self._view
        return Axes(
            view.x_kind, self.log_y, view.log_x, view.clip_outliers, view.shown, self.y_window, view.marks, view.signs
        )

    def _plot_strip(self, plot: Plot, row: int) -> Strip:
        """A row of the plot, with the cursor where nothing else is drawn, and its place on the axis below."""
        codes, roles = plot.codes[row], plot.roles[row]
        pointer = self._view.pointer
        column = None if pointer is None else plot.column_of(pointer)
        if pointer is not None and column is not None:
            codes, roles = codes.copy(), roles.copy()
            if row < plot.num_rows:
                if roles[column] < FIRST_CURVE:
                    codes[column], roles[column] = ord("│"), AXIS
            else:
                label = f" {point_label(pointer, self._view.x_kind)} "[: len(codes)]
                start = max(0, min(column - len(label) // 2, len(codes) - len(label)))
                codes[start : start + len(label)] = [ord(character) for character in label]
                roles[start : start + len(label)] = FIRST_CURVE + 2 * len(self._lines)
        return character_strip(codes, roles, self._role_styles())

    def _role_styles(self) -> list[Style]:
        styles = [self.visual_style.rich_style, *map(self._part, ("axis", "alarm", "mark"))]
        for line in self._lines:
            known = self._line_style(line)
            raw = self._part("raw") if self.num_runs == 1 else known + Style(dim=True)
            styles += [known, raw if line.split == "train" else known]
        return [*styles, self._part("cursor")]

    def _line_style(self, line: Line) -> Style:
        if self.num_runs > 1:
            return self.run_style(line.run)
        return self._part(line.split if line.split in SPLIT_MARKERS else "test")

    def _run_label(self, line: Line) -> str:
        return RUN_LABELS[line.run % len(RUN_LABELS)] if self.num_runs > 1 else ""

    def _part(self, name: str) -> Style:
        return self._palette.get_component_rich_style(f"chart--{name}")

    def _title(self, width: int) -> Strip:
        title = self._part("title")
        if self.is_selected:
            title += Style(reverse=True)
        name = heading(self.metric, self.is_selected) + axis_note(self._plot, self.log_y, self.y_window is not None)
        return title_strip(name, self._readings(), width, title, self.visual_style.rich_style)

    def _readings(self) -> list[Reading]:
        """Every line's value at the cursor, or its last one."""
        pointer, readings = self._view.pointer, []
        for line in self._lines:
            curve = self._curve(line)
            if not len(curve.x):
                continue
            value = float(curve.y[-1]) if pointer is None else curve.y_at(pointer)
            label = self._run_label(line)
            readings.append(Reading(label, _marker(line.split), line.split, value, self._line_style(line)))
        return readings


def _marker(split: str) -> str:
    return SPLIT_MARKERS.get(split, OTHER_MARKER)
