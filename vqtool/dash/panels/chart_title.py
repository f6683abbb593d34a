"""The first line of a chart: its name, what its axes do, and the values of its lines."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from vqtool.core.text import clean
from vqtool.dash.panels.strips import text_strip
from vqtool.dash.plotting.plot import Plot
from vqtool.dash.summary import UNITS
from vqtool.dash.text import short_number


@dataclass(frozen=True)
class Reading:
    """A line's value: the letter of its run (empty where there is one run), marker, split, and the value to show."""

    run: str
    marker: str
    split: str
    value: float
    style: Style


def heading(metric: str, is_selected: bool) -> str:
    """The metric with its unit, marked where it is the one that keys act on."""
    unit = UNITS.get(metric, "")
    return f"{'▶' if is_selected else ' '}{clean(metric, 60)}" + (f" {unit}" if unit else "")


def axis_note(plot: Plot | None, log_y: bool, is_zoomed: bool = False) -> str:
    """What the y axis does that a reader must know."""
    notes = ["log"] * log_y + ["y zoomed"] * is_zoomed
    if plot is not None and plot.hidden:
        notes.append(f"{plot.hidden:,} not positive")
    if plot is not None and plot.clipped:
        notes.append(f"{plot.clipped:,} outlier{'s' * (plot.clipped > 1)} ▲▼")
    return " " + ", ".join(notes) if notes else ""


def title_strip(heading: str, readings: Sequence[Reading], width: int, title: Style, plain: Style) -> Strip:
    """The heading, then the readings; the names of splits go first where room is short."""
    if not readings:
        return text_strip(f"{heading}  no values yet", width, title)
    for with_names in (True, False):
        legend = [_segment(reading, with_names) for reading in readings]
        if cell_len(heading) + sum(segment.cell_length for segment in legend) <= width:
            break
    return Strip([Segment(heading, title), *legend]).adjust_cell_length(width, plain)


def _segment(reading: Reading, with_name: bool) -> Segment:
    name = f" {clean(reading.split, 12)}" if with_name else ""
    return Segment(f"  {reading.run}{reading.marker}{name} {short_number(reading.value)}", reading.style)
