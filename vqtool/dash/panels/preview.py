"""The picture panel: the frames of a preview playing, what they are in words above, all kept previews below."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.style import Style
from textual import events
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets._toast import Toast

from vqtool.dash.images import ImageMode
from vqtool.dash.panels.graphics import KittyImages, SixelImages
from vqtool.dash.panels.strips import scene_strip, text_strip
from vqtool.dash.player import Player
from vqtool.dash.plotting.scene import (
    PlacedImage,
    Scene,
    changed_cells,
    draw_scene,
    empty_scene,
    limited_change,
    text_scene,
)
from vqtool.dash.plotting.scrubber import index_at, scrubber
from vqtool.dash.reader import StepPaths
from vqtool.errors import RunError
from vqtool.runs.previews import PreviewClip, read_preview

BYTES_PER_SECOND = 190 * 1024
BYTES_PER_CELL = 48
"""Two colours of 8 bits a channel, a half block and the reset, with a share of the cursor movements."""
MIN_HEIGHT_FOR_SCRUBBER = 6


class PreviewPanel(Widget):
    """Plays a clip; a line of text always says which, and how good it is."""

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

    class StepShown(Message):
        """The user went to the preview of `step`."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, *, images: ImageMode = "blocks", id: str | None = None) -> None:
        """With how to draw pictures; `none` is text alone."""
        super().__init__(id=id)
        self.player = Player()
        self._images = images
        self._kitty = KittyImages(self._write) if images == "kitty" else None
        self._sixel = SixelImages(self._write) if images == "sixel" else None
        self._sent: list[tuple[PlacedImage, int]] = []
        self._paint_due = False
        self._scene = empty_scene(0, 0)
        self._caption = self._bottom = ""
        self._timer: Timer | None = None
        self._lists: tuple[StepPaths, StepPaths] | None = None

    @property
    def step(self) -> int | None:
        """The step of the preview shown."""
        return self.player.step

    @property
    def clip(self) -> PreviewClip | None:
        """The clip shown, or None while it is not loaded."""
        return self.player.clip

    @property
    def frame(self) -> int:
        """Number of the frame shown."""
        return self.player.frame

    def show(self, previews: StepPaths, worst: StepPaths = ()) -> None:
        """Take the lists of previews; the newest is shown unless an earlier one was chosen."""
        if (previews, worst) == self._lists:
            return
        self._lists = previews, worst
        self.player.set_previews("previews", previews)
        self.player.set_previews("worst clips", worst)
        self._changed()

    def show_codebooks(self, codebook_sizes: tuple[int, ...], segment_frames: int) -> None:
        """What tokens are to be understood with: codes of each codebook, frames that share a context."""
        self.player.codebook_sizes, self.player.segment_frames = codebook_sizes, segment_frames

    def show_step(self, step: int) -> None:
        """Go to the last preview at or before `step`; says nothing back, so that two panels can follow each other."""
        self.player.go_to_step(step)
        self._changed()

    def scrub(self, change: int) -> None:
        """Go to an earlier or a later preview; the newest is followed again once reached."""
        self.player.scrub(change)
        self._went()

    def change_clip(self, change: int) -> None:
        """Go to another clip of the preview, around the end."""
        self.player.change_clip(change)
        self._changed()

    def change_source(self) -> None:
        """Show the worst clips of the last evaluation, or the previews again."""
        self.player.change_source()
        self._changed()

    def toggle_playing(self) -> None:
        """Pause or play."""
        self.player.playing = not self.player.playing
        self._changed()

    def change_rate(self, change: int) -> None:
        """Play faster or slower."""
        self.player.change_rate(change)
        self._start_timer()
        self._changed()

    def step_frame(self, change: int) -> None:
        """Pause, and go to another frame, around the end."""
        self.player.playing = False
        self.player.advance(change)
        self._changed()

    def toggle_error(self) -> None:
        """Show the error map or hide it."""
        self.player.show_error = not self.player.show_error
        self._changed()

    def toggle_compare(self) -> None:
        """Keep this step to compare others with, or end comparing."""
        self.player.toggle_compare()
        self._changed()

    def next_token_view(self) -> None:
        """Show which codes paint the frame: as colours, as numbers, not at all."""
        self.player.next_token_view()
        self._changed()

    def next_part(self) -> None:
        """Show the tokens of the next codebook."""
        self.player.next_part()
        self._changed()

    def on_mount(self) -> None:
        """Begin to play, unless the user wants nothing to move by itself."""
        self.player.playing = self.app.animation_level != "none"
        self._start_timer()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the pictures to the room there is."""
        self._redraw()

    def on_click(self, event: events.Click) -> None:
        """A click on the scrubber goes there, elsewhere it plays or pauses."""
        place = event.get_content_offset(self)
        if place is not None and self._has_scrubber and place.y == self.size.height - 1:
            self.player.go_to(index_at(self.player.previews, self.size.width, place.x))
            self._went()
        else:
            self.toggle_playing()

    def on_preview_panel_loaded(self, message: Loaded) -> None:
        """Show the clips that were read."""
        message.stop()
        self.player.loaded(message.path, message.clips, message.error)
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """Line `y`: the text, the pictures, the scrubber."""
        width, style = self.size.width, self.visual_style.rich_style
        if y == 0:
            return text_strip(self._caption, width, style + Style(bold=True))
        if self._has_scrubber and y == self.size.height - 1:
            return text_strip(self._bottom, width, style)
        if y - 1 < len(self._scene.cells):
            strip = scene_strip(self._scene.cells[y - 1], self._scene.codes[y - 1], style)
            return self._with_images(strip, y - 1).adjust_cell_length(width, style)
        return Strip.blank(width, style)

    def on_unmount(self) -> None:
        """Leave nothing behind in the terminal."""
        if self._kitty is not None:
            self._kitty.clear()

    def caption(self) -> str:
        """What is shown, as text."""
        return self.player.caption()

    @property
    def _has_scrubber(self) -> bool:
        return self.size.height >= MIN_HEIGHT_FOR_SCRUBBER

    def _went(self) -> None:
        self._changed()
        if self.player.step is not None:
            self.post_message(self.StepShown(self.player.step))

    def _changed(self) -> None:
        """Read what is missing, in another thread, and draw what is there."""
        missing = self.player.missing()
        if missing:
            self.run_worker(lambda: self._read(missing), group="preview", exclusive=True, thread=True)
        self._redraw()

    def _read(self, paths: list[Path]) -> None:
        for path in paths:
            try:
                self.post_message(self.Loaded(path, read_preview(path), ""))
            except RunError as error:
                self.post_message(self.Loaded(path, [], str(error)))

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_interval(1 / self.player.frame_rate, self._tick, pause=not self._plays)

    @property
    def _plays(self) -> bool:
        return self.player.playing and self.clip is not None

    def _tick(self) -> None:
        if self._plays and self.display and self.size.height > 0:
            self.player.advance(1)
            self._redraw(max_cells=BYTES_PER_SECOND // BYTES_PER_CELL // self.player.frame_rate)

    def _redraw(self, max_cells: int | None = None) -> None:
        """Draw the frame, and send only the cells that changed: most of a robot video stands still.

        `max_cells` bounds how many: where a playing clip changes more, the rest follows with the next frames.
        """
        if self._timer is not None:
            (self._timer.resume if self._plays else self._timer.pause)()
        before, texts = self._scene, (self._caption, self._bottom)
        after = self._scene = self._draw()
        self._caption = self.player.caption()
        self._bottom = scrubber(self.player, self.size.width)
        if before.cells.shape != after.cells.shape or self._is_covered or self._changed_images(before, after):
            self.refresh()
            return
        if max_cells is not None:
            self._scene = limited_change(before, after, max_cells)
        regions = [Region(0, 0, self.size.width, 1)] if texts[0] != self._caption else []
        if texts[1] != self._bottom:
            regions.append(Region(0, self.size.height - 1, self.size.width, 1))
        if regions:
            self.refresh(*regions)
        if self._images == "blocks":
            self._styles_cache.clear()  # what Textual remembers of the lines is not what is on the screen any more
            self._write(self._changed_cells(before, self._scene))

    @property
    def _is_covered(self) -> bool:
        """Whether something may lie over the pictures, or their colours are not to be sent as they are."""
        return self.app.screen is not self.screen or self.app.no_color or bool(self.screen.query(Toast))

    def _changed_images(self, before: Scene, after: Scene) -> bool:
        """Whether there is something else to be seen that is not half blocks; sixels are painted over the cells."""
        if self._images == "blocks":
            return False
        return self._images == "kitty" or bool(changed_cells(before, after).any())

    def _changed_cells(self, before: Scene, after: Scene) -> str:
        """Escape sequences that bring the cells on the screen up to date.

        A partial refresh by Textual would send each line anew from its start to each cell that changed.
        """
        origin, style, parts = self.content_region.offset, self.visual_style.rich_style, []
        for row, start, end in changed_stretches(before, after):
            strip = scene_strip(after.cells[row, start:end], after.codes[row, start:end], style)
            place = f"\x1b[{origin.y + 2 + row};{origin.x + 1 + start}H"
            parts.append(place + strip.render(self.app.console))
        return "".join(parts) if self.display else ""

    def _draw(self) -> Scene:
        rows, columns = self.size.height - 1 - self._has_scrubber, self.size.width
        if self._images == "none":
            return text_scene(self.player.lines(), rows, columns)
        drawing = self._images if self._images in ("blocks", "shades") else "images"
        scene = draw_scene(self.player.tiles(), rows, columns, drawing)
        if self._kitty is not None and self.is_attached:
            self._sent = self._kitty.show(scene.images)
        self._paint_soon()
        return scene

    def _with_images(self, strip: Strip, row: int) -> Strip:
        """A line with what kitty's pictures have in it; sixels are painted over it once it is written."""
        self._paint_soon()
        for image, number in self._sent:
            if self._kitty is not None and image.row <= row < image.row + image.rows:
                cells = self._kitty.strip(image, number, row - image.row)
                strip = Strip.join([strip.crop(0, image.column), cells, strip.crop(image.column + image.columns)])
        return strip

    def _paint_soon(self) -> None:
        if self._sixel is not None and not self._paint_due:
            self._paint_due = True
            self.call_after_refresh(self._paint_sixels)

    def _paint_sixels(self) -> None:
        self._paint_due = False
        if self._sixel is not None and self.display and self.size.height and self.app.screen is self.screen:
            self._sixel.paint(self._scene.images, self.content_region.offset + Offset(0, 1))

    def _write(self, text: str) -> None:
        """Send escape sequences between two updates of the screen."""
        driver = self.app._driver
        if driver is not None and text:
            driver.write(text)


def changed_stretches(before: Scene, after: Scene) -> Iterator[tuple[int, int, int]]:
    """Row, first column and the one after the last of the cells that differ, over gaps of one cell."""
    changed = changed_cells(before, after)
    for row in np.flatnonzero(changed.any(axis=1)):
        columns = np.flatnonzero(changed[row])
        for stretch in np.split(columns, np.flatnonzero(np.diff(columns) > 2) + 1):
            yield int(row), int(stretch[0]), int(stretch[-1]) + 1
