"""Pictures beside each other in cells: labels, half blocks or shades, numbers over them, and places for real images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.plotting.picture import CellColours, Pixels, arrange, half_block_colours, resize, shades
from vqtool.dash.plotting.token_map import Tokens, place_numbers

NO_CELL = -1
Codes = NDArray[np.uint32]
Drawing = Literal["blocks", "shades", "images"]
"""Half blocks in colour, characters from dark to bright, or room left free for images."""
MAX_IMAGE_CELLS = 190
"""Rows or columns of a real image; a larger picture is half blocks."""
_TEXT_DISTANCE = 1 << 20
NO_ROOM = "no room for numbers"


@dataclass(frozen=True)
class Tile:
    """A picture (H, W, 3) with its label; `numbers` (h, w) are written over it, and then it is always cells."""

    label: str
    picture: Pixels
    numbers: Tokens | None = None


@dataclass(frozen=True)
class PlacedImage:
    """A picture and the cells that it covers."""

    picture: Pixels
    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True)
class Scene:
    """Cells drawn, both arrays (rows, columns): colours (`NO_CELL` where none) and characters.

    A character 0 is a half block of the cell's colours; another is written over the cell's lower colour.
    """

    cells: CellColours
    codes: Codes
    images: tuple[PlacedImage, ...] = ()


def empty_scene(rows: int, columns: int) -> Scene:
    """Nothing drawn."""
    shape = max(0, rows), max(0, columns)
    return Scene(np.full(shape, NO_CELL, np.int32), np.full(shape, ord(" "), np.uint32))


def draw_scene(tiles: Sequence[Tile], rows: int, columns: int, drawing: Drawing) -> Scene:
    """The tiles, equally large, as large as fit into `rows` x `columns` cells; empty where they do not fit."""
    scene = empty_scene(rows, columns)
    if not tiles or rows < 1 or columns < 1:
        return scene
    height, width, _ = tiles[0].picture.shape
    place = arrange(len(tiles), height, width, rows, columns)
    if place is None:
        return scene
    images = []
    for number, tile in enumerate(tiles):
        top = 0 if place.side_by_side else number * (place.rows + 1)
        left = number * (place.columns + 1) if place.side_by_side else 0
        gap = int(drawing == "shades")  # where colours do not keep neighbours apart
        numbers = [] if tile.numbers is None else place_numbers(tile.numbers, place.rows, place.columns, gap)
        label = NO_ROOM if tile.numbers is not None and not numbers else tile.label
        write_text(scene, top, left, label[: place.columns])
        area = np.s_[top + 1 : top + 1 + place.rows, left : left + place.columns]
        if drawing == "images" and tile.numbers is None and max(place.rows, place.columns) <= MAX_IMAGE_CELLS:
            images.append(PlacedImage(tile.picture, top + 1, left, place.rows, place.columns))
            continue
        small = resize(tile.picture, 2 * place.rows, place.columns)
        if drawing != "shades":
            scene.cells[area], scene.codes[area] = half_block_colours(small), 0
        elif not numbers:
            scene.codes[area] = [[ord(character) for character in line] for line in shades(small)]
        for placed in numbers:
            write_text(scene, top + 1 + placed.row, left + placed.column, placed.text)
    return Scene(scene.cells, scene.codes, tuple(images))


def text_scene(lines: Sequence[str], rows: int, columns: int) -> Scene:
    """Lines of text, cut to the room there is."""
    scene = empty_scene(rows, columns)
    for row, line in enumerate(lines[: max(0, rows)]):
        write_text(scene, row, 0, line[: max(0, columns)])
    return scene


def write_text(scene: Scene, row: int, column: int, text: str) -> None:
    """Write characters one cell wide into a scene that has room for them."""
    scene.codes[row, column : column + len(text)] = [ord(character) for character in text]


def changed_cells(before: Scene, after: Scene) -> NDArray[np.bool_]:
    """Which cells differ between two scenes of the same shape."""
    changed: NDArray[np.bool_] = (before.cells != after.cells) | (before.codes != after.codes)
    return changed


def limited_change(shown: Scene, wanted: Scene, max_cells: int) -> Scene:
    """`shown` with at most `max_cells` cells of `wanted` in it, text first, then those that differ most.

    The rest waits for its turn.
    """
    changed = changed_cells(shown, wanted)
    if int(changed.sum()) <= max_cells:
        return wanted
    cells, codes = shown.cells.copy(), shown.codes.copy()
    if max_cells > 0:
        distance = np.where(shown.codes != wanted.codes, _TEXT_DISTANCE, _distance(shown.cells, wanted.cells))
        order = np.where(changed, distance, -1)
        chosen = np.argpartition(order, -max_cells, axis=None)[-max_cells:]
        cells.flat[chosen], codes.flat[chosen] = wanted.cells.flat[chosen], wanted.codes.flat[chosen]
    return Scene(cells, codes, wanted.images)


def _distance(first: CellColours, second: CellColours) -> NDArray[np.int32]:
    """Sum over both colours of a cell of the difference of their channels, in steps of the quantisation."""
    total = np.zeros(first.shape, np.int32)
    for shift in range(0, 30, 5):
        total += np.abs((first >> shift & 31) - (second >> shift & 31))
    return total
