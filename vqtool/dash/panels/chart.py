"""The chart of one metric: a title with the last values, and curves below it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from vqtool.core.text import clean
from vqtool.dash.panels.strips import character_strip, text_strip
from vqtool.dash.plotting.plot import Axes, Curve, Plot, draw_plot
from vqtool.dash.store import Series
from vqtool.dash.summary import UNITS
from vqtool.dash.text import short_number

SPLIT_MARKERS = {"train": "─", "val": "◆", "test": "■"}
OTHER_MARKER = "▲"
EXACT_METRICS = {"optim/lr"}
"""Metrics without noise, which smoothing would only delay."""


@dataclass(frozen=True)
class ChartView:
    """What all charts share: the x axis, the smoothing of training curves, and where the run was resumed."""

    x_kind: Literal["step", "seconds"] = "step"
    decay: float = 0.0
    start_time: float = 0.0
    resumed_steps: tuple[int, ...] = ()
    resumed_times: tuple[float, ...] = ()


class Chart(Widget):
    """The curves of one metric, a curve a split; training is a smoothed line, the others dotted with markers."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--title",
        "chart--axis",
        "chart--alarm",
        "chart--train",
        "chart--val",
        "chart--test",
        "chart--raw",
    }
    DEFAULT_CSS = """
    Chart { width: 1fr; height: 1fr; padding: 0 1 0 0; }
    Chart .chart--title { text-style: bold; color: $foreground; }
    Chart .chart--axis { color: $foreground 60%; }
    Chart .chart--alarm { color: $text-error; text-style: bold; }
    Chart .chart--train { color: $primary-lighten-2; }
    Chart .chart--raw { color: $primary-darken-1; }
    Chart .chart--val { color: $warning; text-style: bold; }
    Chart .chart--test { color: $success; text-style: bold; }
    """

    class Selected(Message):
        """The chart was clicked."""

        def __init__(self, chart: "Chart") -> None:
            super().__init__()
            self.chart = chart

    def __init__(self, metric: str) -> None:
        super().__init__()
        self.metric = metric
        self.log_y = False
        self.is_selected = False
        self._lines: dict[str, Series] = {}
        self._view = ChartView()
        self._key: tuple[object, ...] = ()
        self._plot: Plot | None = None

    def show(self, lines: Mapping[str, Series], view: ChartView) -> None:
        """Draw the series by split from now on; costs nothing when neither they nor the view changed."""
        self._lines, self._view = dict(lines), view
        if self._current_key() != self._key:
            self.refresh()

    def select(self, selected: bool) -> None:
        """Mark the chart as the one that keys act on."""
        if selected != self.is_selected:
            self.is_selected = selected
            self.refresh()

    def toggle_log(self) -> None:
        """Switch between a linear and a logarithmic y axis."""
        self.log_y = not self.log_y
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Line `y` of the widget: the title, then the plot."""
        width, height = self.size
        plot = self._drawn(width, height - 1)
        if y == 0:
            return self._title(width)
        if y - 1 >= len(plot.codes):
            return Strip.blank(width, self.visual_style.rich_style)
        return character_strip(plot.codes[y - 1], plot.roles[y - 1], self._role_styles())

    def on_click(self, event: events.Click) -> None:
        """Select the chart; a second click enlarges it."""
        event.stop()
        self.post_message(self.Selected(self))

    def _current_key(self) -> tuple[object, ...]:
        series = tuple((split, series, series.version) for split, series in self._lines.items())
        return (series, self._view, self.log_y, self.size)

    def _drawn(self, width: int, height: int) -> Plot:
        key = self._current_key()
        if self._plot is None or key != self._key:
            self._key = key
            self._plot = draw_plot([self._curve(*line) for line in self._lines.items()], width, height, self._axes())
        return self._plot

    def _curve(self, split: str, series: Series) -> Curve:
        seconds = self._view.x_kind == "seconds"
        x, y = series.time - self._view.start_time if seconds else series.step.astype(np.float64), series.value
        if seconds and len(x) > 1 and not np.all(np.diff(x) >= 0):
            order = np.argsort(x, kind="stable")
            x, y = x[order], y[order]
        if split == "train":
            return Curve(x, y, "●", 0.0 if self.metric in EXACT_METRICS else self._view.decay)
        return Curve(x, y, SPLIT_MARKERS.get(split, OTHER_MARKER), dotted=True)

    def _axes(self) -> Axes:
        if self._view.x_kind == "step":
            return Axes("step", self.log_y, self._view.resumed_steps)
        marks = [time - self._view.start_time for time in self._view.resumed_times]
        return Axes("seconds", self.log_y, marks)

    def _role_styles(self) -> list[Style]:
        styles = [self.visual_style.rich_style, self._part("axis"), self._part("alarm")]
        for split in self._lines:
            known = self._part(split if split in SPLIT_MARKERS else "test")
            styles += [known, self._part("raw") if split == "train" else known]
        return styles

    def _part(self, name: str) -> Style:
        return self.get_component_rich_style(f"chart--{name}")

    def _title(self, width: int) -> Strip:
        """The name, then each split's marker, name and last value; the splits' names go first where room is short."""
        name = f"{'▶' if self.is_selected else ' '}{clean(self.metric, 60)}"
        unit = UNITS.get(self.metric, "")
        name += f" {unit}" if unit else ""
        name += self._log_note()
        title = self._part("title")
        if self.is_selected:
            title += Style(reverse=True)
        for with_names in (True, False):
            legend = self._legend(with_names)
            if cell_len(name) + sum(segment.cell_length for segment in legend) <= width:
                break
        if not self._lines or not any(map(len, self._lines.values())):
            return text_strip(f"{name}  no values yet", width, title)
        return Strip([Segment(name, title), *legend]).adjust_cell_length(width, self.visual_style.rich_style)

    def _log_note(self) -> str:
        hidden = self._plot.hidden if self._plot is not None and self.log_y else 0
        return (f" log, {hidden:,} not positive" if hidden else " log") if self.log_y else ""

    def _legend(self, with_names: bool) -> list[Segment]:
        segments = []
        for split, series in self._lines.items():
            if series.last is None:
                continue
            style = self._part(split if split in SPLIT_MARKERS else "test")
            marker = SPLIT_MARKERS.get(split, OTHER_MARKER)
            label = f" {clean(split, 12)}" if with_names else ""
            segments.append(Segment(f"  {marker}{label} {short_number(series.last[1])}", style))
        return segments
