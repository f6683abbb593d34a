"""How the evaluations used the codebook: figures, ages of dead codes, a map over steps, ranked bars, every code."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from textwrap import wrap

import numpy as np
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from vqtool.dash.panels.status import pack
from vqtool.dash.panels.strips import scene_strip
from vqtool.dash.plotting.bars import DEAD, Counts, code_map, perplexity, rank_bars
from vqtool.dash.plotting.heat import heat_colours
from vqtool.dash.plotting.picture import half_block_colours, shades
from vqtool.dash.plotting.scene import Scene, empty_scene, write_text
from vqtool.dash.reader import CodebookUsage, StepPaths
from vqtool.dash.text import percent, short_number
from vqtool.dash.usage import Levels, UsageHistory, chosen_steps, history_of, usage_levels
from vqtool.runs.previews import read_array

NOTHING = "no codebook usage yet: every evaluation writes it (train.eval_every)"
MIN_ROWS_FOR_HEAT, MIN_ROWS_FOR_MAP, MIN_ROWS_FOR_BARS = 6, 12, 3
REVIVED = "↑"
MAX_AGES = 3


class CodebookPanel(Widget):
    """Usage of the codes; of several codebooks one or all."""

    DEFAULT_CSS = """
    CodebookPanel { width: 1fr; height: 1fr; padding: 0 1; }
    """

    class Loaded(Message):
        """Usage counts were read."""

        def __init__(self, levels: dict[int, Levels]) -> None:
            super().__init__()
            self.levels = levels

    def __init__(self, *, colours: bool = True, id: str | None = None) -> None:
        """With `colours` false, the map over steps is drawn with characters from dark to bright."""
        super().__init__(id=id)
        self.ranked = False
        self._colours = colours
        self._usage: CodebookUsage | None = None
        self._paths: StepPaths = ()
        self._sizes: tuple[int, ...] = ()
        self._codebook = 0
        self._levels: dict[int, Levels] = {}
        self._history = history_of({})
        self._drawn = empty_scene(0, 0)
        self._drawn_key: tuple[object, ...] = ()

    def show(self, usage: CodebookUsage | None, paths: StepPaths = (), sizes: tuple[int, ...] = ()) -> None:
        """Draw the counts of the newest evaluation, and read all from `paths`; `sizes` are those of the codebooks."""
        if usage is self._usage and paths == self._paths and sizes == self._sizes:
            return
        self._usage, self._paths, self._sizes = usage, paths, sizes
        known = set(chosen_steps([step for step, _ in paths]))
        self._levels = {step: levels for step, levels in self._levels.items() if step in known}
        missing = [(step, path) for step, path in paths if step in known and step not in self._levels]
        if missing:
            self.run_worker(lambda: self._read(missing), group="codebook", exclusive=True, thread=True)
        self._history = history_of(self._levels)
        self.refresh()

    def toggle_ranked(self) -> None:
        """Order the map over steps by the codes' numbers or by their use."""
        self.ranked = not self.ranked
        self.refresh()

    def next_codebook(self) -> None:
        """Show the next codebook alone, or all again."""
        self._codebook += 1
        self.refresh()

    def on_codebook_panel_loaded(self, message: Loaded) -> None:
        """Take in what was read."""
        message.stop()
        self._levels |= message.levels
        self._history = history_of(self._levels)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A line of the panel."""
        key = (self._usage, self._history, self._sizes, self._codebook, self.ranked, self.size)
        if key != self._drawn_key:
            self._drawn_key, self._drawn = key, self._scene()
        scene, style = self._drawn, self.visual_style.rich_style
        if y >= len(scene.cells):
            return Strip.blank(self.size.width, style)
        return scene_strip(scene.cells[y], scene.codes[y], style).adjust_cell_length(self.size.width, style)

    def _read(self, paths: Sequence[tuple[int, Path]]) -> None:
        found: dict[int, Levels] = {}
        for step, path in paths:
            try:
                counts = read_array(path)
            except (OSError, ValueError):
                continue
            if counts.ndim == 1 and len(counts):
                found[step] = usage_levels(np.maximum(counts, 0))
        self.post_message(self.Loaded(found))

    def _scene(self) -> Scene:
        rows, columns = self.size.height, self.size.width
        scene = empty_scene(rows, columns)
        if self._usage is None:
            _write_lines(scene, 0, wrap(NOTHING, max(columns, 1)))
            return scene
        title, start, end = self._shown(len(self._usage.counts))
        usage = CodebookUsage(self._usage.step, self._usage.counts[start:end])
        history = self._history.part(start, end) if self._history.levels.shape[1] >= end else history_of({})
        lines = [*figures(usage, title), *self._each(), *ages(history)]
        if rows >= MIN_ROWS_FOR_MAP:
            lines = [part for line in lines for part in wrap(line, max(columns, 1))]
        else:
            lines = _packed(lines, columns, rows, len(history.steps) > 1)
        top = _write_lines(scene, 0, lines)
        if len(history.steps) > 1 and rows - top >= MIN_ROWS_FOR_HEAT:
            height = min(max(3, (rows - top) // 2 - 3), max(3, (end - start) // 2))
            top = self._draw_heat(scene, history, top, height)
        _write_lines(scene, top, _bars_and_map(usage.counts, columns, rows - top))
        return scene

    def _shown(self, num_codes: int) -> tuple[str, int, int]:
        """The title of what is shown, and its first code and that after its last."""
        if len(self._sizes) < 2 or sum(self._sizes) != num_codes:
            return "", 0, num_codes
        number = self._codebook % (len(self._sizes) + 1)
        if number == 0:
            return f"all {len(self._sizes)} codebooks (k: one)", 0, num_codes
        start, end = list(pairwise([0, *accumulate(self._sizes)]))[number - 1]
        return f"codebook {number}/{len(self._sizes)}", start, end

    def _each(self) -> Iterator[str]:
        """One line on each of several codebooks."""
        if self._usage is None or not self._shown(len(self._usage.counts))[0]:
            return
        parts = []
        for number, (start, end) in enumerate(pairwise([0, *accumulate(self._sizes)]), 1):
            counts = self._usage.counts[start:end]
            parts.append(
                f"{number}: {np.count_nonzero(counts):,}/{len(counts):,} ppl {short_number(perplexity(counts))}"
            )
        yield "by codebook  " + "  ".join(parts)

    def _draw_heat(self, scene: Scene, history: UsageHistory, top: int, height: int) -> int:
        """The map over steps with its title, marks and axis; gives the row after it."""
        columns = scene.cells.shape[1]
        order = "by use" if self.ranked else "by number"
        long = f"use of the codes {order} (downwards) over steps; dark is dead, {REVIVED} revived"
        short = f"codes {order}; dark is dead"
        _write_lines(scene, top, [fitting(columns, long, f"{short}, {REVIVED} revived", short)])
        picture = heat_colours(history.image(2 * height, columns, self.ranked))
        area = np.s_[top + 1 : top + 1 + height]
        if self._colours:
            scene.cells[area], scene.codes[area] = half_block_colours(picture), 0
        else:
            _write_lines(scene, top + 1, shades(picture))
        _write_lines(scene, top + 1 + height, [revival_marks(history, columns), step_axis(history.steps, columns)])
        return top + height + 3


def figures(usage: CodebookUsage, title: str = "") -> list[str]:
    """Two lines of figures on the usage."""
    counts, total = usage.counts, float(usage.counts.sum())
    used = int(np.count_nonzero(counts))
    effective = perplexity(counts)
    bits = np.log2(effective) if effective else 0.0
    top = float(np.sort(counts)[::-1][:10].sum()) / total if total else 0.0
    share = percent(used / len(counts))
    return [
        f"step {usage.step:,}  used {used:,}/{len(counts):,} ({share})  dead {len(counts) - used:,}  {title}".rstrip(),
        f"perplexity {short_number(effective)} ({bits:.2f} bits a token)  ten most used: {percent(top)} of tokens",
    ]


def ages(history: UsageHistory) -> list[str]:
    """A line on how long the dead codes are dead, and how many came back at the last evaluation."""
    if len(history.steps) < 2:
        return []
    groups = list(history.dead_since().items())
    dead = [_age(history.steps[-1], step, number) for step, number in groups[:MAX_AGES]]
    if len(groups) > MAX_AGES:
        rest = sum(number for _, number in groups[MAX_AGES:])
        dead.append(f"{rest:,} for less")
    return [f"revived {history.revived[-1]:,}  dead codes: {', '.join(dead) or 'none'}"]


def _age(last: int, step: int | None, number: int) -> str:
    return f"{number:,} never used" if step is None else f"{number:,} for {last - step:,} steps"


def revival_marks(history: UsageHistory, columns: int) -> str:
    """A line with a mark, and the number of codes where there is room, below each evaluation with revived codes."""
    line = [" "] * columns
    free = 0
    for index in np.flatnonzero(history.revived):
        column = int((index + 0.5) * columns / len(history.steps))
        text = f"{REVIVED}{history.revived[index]:,}"
        if column >= free:
            shown = text if column + len(text) <= columns else REVIVED
            line[column : column + len(shown)] = shown
            free = column + len(shown) + 1
    return "".join(line)


def step_axis(steps: Sequence[int], columns: int) -> str:
    """The steps of the first and the last evaluation below their ends of the map, and the middle one's."""
    line = [" "] * columns
    width = columns / len(steps)
    for index in dict.fromkeys((len(steps) - 1, 0, len(steps) // 2)):
        text = f"{steps[index]:,}"
        start = min(max(0, int((index + 0.5) * width) - len(text) // 2), columns - len(text))
        if start >= 0 and all(character == " " for character in line[max(0, start - 1) : start + len(text) + 1]):
            line[start : start + len(text)] = text
    return "".join(line)


def _bars_and_map(counts: Counts, columns: int, rows: int) -> list[str]:
    if rows < 2 or columns < 1:
        return []
    room = rows - 1
    mapped = code_map(counts, columns - columns % 32 if columns > 32 else columns)
    bars = room if rows < MIN_ROWS_FOR_MAP and len(mapped) > 2 else max(min(4, room), room - len(mapped) - 2)
    lines = rank_bars(counts, min(bars, room), columns)
    most = short_number(counts.max())
    long = f"codes from the most to the least used, logarithmic; the most: {most}"
    lines.append(fitting(columns, long, f"codes by use, logarithmic; most: {most}", f"by use; most: {most}"))
    if rows - len(lines) > 2:
        title = fitting(columns, f"each code in the codebook's order ({DEAD} never used)", f"each code ({DEAD} unused)")
        lines += ["", title, *mapped[: rows - len(lines) - 2]]
    return lines


def _packed(lines: Sequence[str], columns: int, rows: int, with_heat: bool) -> list[str]:
    """The facts of the lines as they fit the width, and no more of them than leave room for the map or the bars."""
    facts = [part for line in lines for fact in re.split("  |, ", line) for part in wrap(fact, max(columns, 1))]
    kept = MIN_ROWS_FOR_HEAT if with_heat and rows >= MIN_ROWS_FOR_HEAT + 4 else MIN_ROWS_FOR_BARS
    return pack(facts, columns, max(2, rows - kept))


def fitting(columns: int, *texts: str) -> str:
    """The first of the texts that fits, the longest first; else the last."""
    return next((text for text in texts if len(text) <= columns), texts[-1])


def _write_lines(scene: Scene, top: int, lines: Sequence[str]) -> int:
    """Write lines from row `top` on, as far as there is room; gives the row after the last."""
    rows, columns = scene.cells.shape
    for row, line in enumerate(lines[: max(0, rows - top)], top):
        write_text(scene, row, 0, line[:columns])
    return top + len(lines)
