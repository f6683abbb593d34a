"""The newest preview, or an earlier one: a clip's input and reconstruction, playing."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from vqtool.core.text import clean
from vqtool.dash.panels.strips import NO_CELL, picture_strip, text_strip
from vqtool.dash.plotting.picture import (
    ERROR_GAIN,
    Arrangement,
    CellColours,
    Pixels,
    arrange,
    error_map,
    half_block_colours,
    resize,
    shades,
)
from vqtool.dash.reader import StepPaths
from vqtool.errors import RunError
from vqtool.runs.previews import PreviewClip, read_preview

FRAMES_PER_SECOND = 5
CACHED_PREVIEWS = 8
NOTHING = "no preview yet: the trainer keeps one every train.preview_every steps"


@dataclass(frozen=True)
class _Drawing:
    """A frame drawn: cells (rows, columns) with `NO_CELL` where blank, and rows of plain text over them."""

    cells: CellColours
    texts: dict[int, str]


class PreviewPanel(Widget):
    """Plays a clip of a preview; a line of text always says which, and how good it is."""

    DEFAULT_CSS = """
    PreviewPanel { width: 1fr; height: 1fr; padding: 0 1; }
    """

    class Loaded(Message):
        """A preview was read: its clips, or why not."""

        def __init__(self, path: Path, clips: list[PreviewClip], error: str) -> None:
            super().__init__()
            self.path = path
            self.clips = clips
            self.error = error

    def __init__(self, *, colours: bool = True, id: str | None = None) -> None:
        """With `colours` false, pictures are drawn with characters from dark to bright."""
        super().__init__(id=id)
        self.playing = True
        self.show_error = False
        self.clip_index = 0
        self.frame = 0
        self._colours = colours
        self._previews: StepPaths = ()
        self._index = -1
        self._follow = True
        self._cache: OrderedDict[Path, list[PreviewClip]] = OrderedDict()
        self._error = ""
        self._drawing = _Drawing(np.empty((0, 0), np.int32), {})

    @property
    def step(self) -> int | None:
        """The step of the preview shown."""
        return self._previews[self._index][0] if self._previews else None

    @property
    def clip(self) -> PreviewClip | None:
        """The clip shown, or None while it is not loaded."""
        clips = self._cache.get(self._previews[self._index][1], []) if self._previews else []
        return clips[self.clip_index % len(clips)] if clips else None

    def show(self, previews: StepPaths) -> None:
        """Take the list of previews; the newest is shown unless an earlier one was chosen."""
        if previews == self._previews:
            return
        chosen = self.step
        self._previews = previews
        steps = [step for step, _ in previews]
        self._index = len(previews) - 1 if self._follow or chosen not in steps else steps.index(chosen)
        self._load()

    def scrub(self, change: int) -> None:
        """Go to an earlier or a later preview; the newest is followed again once reached."""
        if self._previews:
            self._index = max(0, min(self._index + change, len(self._previews) - 1))
            self._follow = self._index == len(self._previews) - 1
            self._load()

    def change_clip(self, change: int) -> None:
        """Go to another clip of the preview, around the end."""
        clips = self._clips()
        if clips:
            self.clip_index = (self.clip_index + change) % len(clips)
            self.frame = 0
            self._redraw()

    def toggle_playing(self) -> None:
        """Pause or play."""
        self.playing = not self.playing
        self._redraw()

    def step_frame(self, change: int) -> None:
        """Pause, and go to another frame, around the end."""
        self.playing = False
        self._advance(change)

    def toggle_error(self) -> None:
        """Show the error map or hide it."""
        self.show_error = not self.show_error
        self._redraw()

    def on_mount(self) -> None:
        """Begin to play."""
        self.set_interval(1 / FRAMES_PER_SECOND, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """Fit the pictures to the room there is."""
        self._redraw()

    def on_preview_panel_loaded(self, message: Loaded) -> None:
        """Show the clips that were read."""
        message.stop()
        self._error = message.error
        self._cache[message.path] = message.clips
        while len(self._cache) > CACHED_PREVIEWS:
            self._cache.popitem(last=False)
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """Line `y`: the text, then the pictures."""
        width, style = self.size.width, self.visual_style.rich_style
        if y == 0:
            return text_strip(self.caption(), width, style + Style(bold=True))
        row = y - 1
        if row in self._drawing.texts:
            return text_strip(self._drawing.texts[row], width, style)
        if row < len(self._drawing.cells):
            return picture_strip(self._drawing.cells[row], style).adjust_cell_length(width, style)
        return Strip.blank(width, style)

    def caption(self) -> str:
        """What is shown, as text: step, clip, PSNR and frame, the most telling first."""
        if not self._previews:
            return NOTHING
        clip, place = self.clip, f"step {self.step:,} ({self._index + 1}/{len(self._previews)})"
        if clip is None:
            return f"{place}  {clean(self._error) or 'loading'}"
        known = [value for value in clip.psnr_db if value is not None]
        psnr = f"PSNR {sum(known) / len(known):.2f} dB" if known else "PSNR –"
        number = f"{self.clip_index % len(self._clips()) + 1}/{len(self._clips())}"
        sign = "▶" if self.playing else "‖"
        return f"{place}  {psnr}  {sign} {self.frame + 1}/{len(clip.real)}  clip {number} {clean(clip.name, 80)}"

    def _clips(self) -> list[PreviewClip]:
        return self._cache.get(self._previews[self._index][1], []) if self._previews else []

    def _load(self) -> None:
        """Read the preview in another thread unless it is here already."""
        if not self._previews:
            self._redraw()
            return
        path = self._previews[self._index][1]
        if path in self._cache:
            self._cache.move_to_end(path)
            self._redraw()
        else:
            self._error = ""
            self.run_worker(lambda: self._read(path), group="preview", exclusive=True, thread=True)

    def _read(self, path: Path) -> None:
        try:
            self.post_message(self.Loaded(path, read_preview(path), ""))
        except RunError as error:
            self.post_message(self.Loaded(path, [], str(error)))

    def _tick(self) -> None:
        if self.playing and self.clip is not None and self.display and self.size.height > 0:
            self._advance(1)

    def _advance(self, change: int) -> None:
        if self.clip is not None:
            self.frame = (self.frame + change) % len(self.clip.real)
            self._redraw()

    def _redraw(self) -> None:
        """Draw the frame, and repaint only the cells that changed: most of a robot video stands still."""
        before, self._drawing = self._drawing, self._draw()
        after = self._drawing
        if before.cells.shape != after.cells.shape or before.texts != after.texts:
            self.refresh()
            return
        changed = before.cells != after.cells
        regions = [Region(0, 0, self.size.width, 1)]
        for row in np.flatnonzero(changed.any(axis=1)):
            columns = np.flatnonzero(changed[row])
            regions.append(Region(int(columns[0]), int(row) + 1, int(columns[-1] - columns[0]) + 1, 1))
        self.refresh(*regions)

    def _draw(self) -> _Drawing:
        rows, columns = max(0, self.size.height - 1), max(0, self.size.width)
        cells = np.full((rows, columns), NO_CELL, np.int32)
        clip = self.clip
        if clip is None or not rows or not columns:
            return _Drawing(cells, {})
        self.frame %= len(clip.real)
        pictures = self._pictures(clip.real[self.frame], clip.reconstruction[self.frame])
        _, height, width, _ = clip.real.shape
        place = arrange(len(pictures), height, width, rows, columns)
        return _Drawing(cells, {}) if place is None else self._placed(pictures, place, cells)

    def _pictures(self, real: Pixels, reconstruction: Pixels) -> dict[str, Pixels]:
        pictures = {"input": real, "reconstruction": reconstruction}
        if self.show_error:
            pictures[f"error x{ERROR_GAIN}"] = error_map(real, reconstruction)
        return pictures

    def _placed(self, pictures: dict[str, Pixels], place: Arrangement, cells: CellColours) -> _Drawing:
        texts: dict[int, str] = {}
        for number, (label, picture) in enumerate(pictures.items()):
            top = 0 if place.side_by_side else number * (place.rows + 1)
            left = number * (place.columns + 1) if place.side_by_side else 0
            texts[top] = texts.get(top, "").ljust(left) + label[: place.columns]
            small = resize(picture, 2 * place.rows, place.columns)
            if self._colours:
                cells[top + 1 : top + 1 + place.rows, left : left + place.columns] = half_block_colours(small)
            else:
                for row, line in enumerate(shades(small), top + 1):
                    texts[row] = texts.get(row, "").ljust(left) + line
        return _Drawing(cells, texts)
