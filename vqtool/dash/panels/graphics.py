"""Real images in the terminal, by kitty's protocol or as sixels: what is sent besides the cells."""

import fcntl
import struct
import sys
import termios
from collections import OrderedDict
from collections.abc import Callable, Sequence

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset
from textual.strip import Strip

from vqtool.dash.plotting import kitty, sixel
from vqtool.dash.plotting.picture import resize
from vqtool.dash.plotting.scene import PlacedImage

Write = Callable[[str], object]
MAX_IMAGES = 240
FIRST_ID = 0x565100
"""Numbers unlikely to be taken by another program in the same terminal."""
ASSUMED_CELL = (20, 10)
MAX_SIXEL_PIXELS = 384
MAX_ENCODED = 128


class KittyImages:
    """Pictures that the terminal keeps: each is sent once, then shown by cells that carry its number."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._ids: OrderedDict[tuple[bytes, int, int], int] = OrderedDict()

    def show(self, images: Sequence[PlacedImage]) -> list[tuple[PlacedImage, int]]:
        """Send those that the terminal does not have; each with its number."""
        return [(image, self._number(image)) for image in images]

    def strip(self, image: PlacedImage, image_id: int, row: int) -> Strip:
        """The cells of one row of a picture."""
        colour = Color.from_rgb(image_id >> 16, image_id >> 8 & 255, image_id & 255)
        return Strip([Segment(kitty.placeholder_row(row, image.columns), Style(color=colour))], image.columns)

    def clear(self) -> None:
        """Make the terminal forget all of them."""
        self._write("".join(map(kitty.delete, self._ids.values())))
        self._ids.clear()

    def _number(self, image: PlacedImage) -> int:
        key = (image.picture.tobytes(), image.rows, image.columns)
        if key in self._ids:
            self._ids.move_to_end(key)
            return self._ids[key]
        number = FIRST_ID + len(self._ids)
        if len(self._ids) >= MAX_IMAGES:
            _, number = self._ids.popitem(last=False)
        self._ids[key] = number
        self._write(kitty.transmit(number, image.picture) + kitty.place(number, image.rows, image.columns))
        return number


class SixelImages:
    """Pictures that are drawn over cells left blank, anew whenever those cells were written."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._encoded: OrderedDict[tuple[bytes, int, int], str] = OrderedDict()

    def paint(self, images: Sequence[PlacedImage], origin: Offset) -> None:
        """Draw pictures; cell (0, 0) of theirs is at `origin` of the screen."""
        height, width = cell_pixels()
        for image in images:
            rows = min(image.rows * height, MAX_SIXEL_PIXELS)
            columns = min(image.columns * width, MAX_SIXEL_PIXELS)
            place = f"\x1b[{origin.y + image.row + 1};{origin.x + image.column + 1}H"
            # The cursor is put back to where the text left it.
            self._write(f"\x1b7{place}{self._sixels(image, rows, columns)}\x1b8")

    def _sixels(self, image: PlacedImage, rows: int, columns: int) -> str:
        """A picture at a size in pixels; encoding takes long, and a clip comes round again."""
        key = (image.picture.tobytes(), rows, columns)
        text = self._encoded.pop(key, None) or sixel.encode(resize(image.picture, rows, columns))
        self._encoded[key] = text
        if len(self._encoded) > MAX_ENCODED:
            self._encoded.popitem(last=False)
        return text


def cell_pixels() -> tuple[int, int]:
    """Height and width of a cell in pixels, as the terminal tells, else as the VT340 has it."""
    try:
        answer = fcntl.ioctl(sys.__stderr__, termios.TIOCGWINSZ, b"\0" * 8) if sys.__stderr__ else b"\0" * 8
    except OSError:
        return ASSUMED_CELL
    rows, columns, width, height = struct.unpack("HHHH", answer)
    if not (rows and columns and width and height):
        return ASSUMED_CELL
    return max(1, height // rows), max(1, width // columns)
