"""Small plots for reports: axes with ticks and units, and stepped lines told apart by dashes as well as by colour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vqtool.core.text import clean
from vqtool.data import Frames

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

WIDTH, HEIGHT = 880, 420
"""Of a plot, pixels."""
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 40, 66
SUPERSAMPLING = 2
"""Drawn this many times larger and then shrunk: Pillow's lines have no soft edges."""
FONT_SIZE = 15
INK, FAINT, PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
COLOURS = ((0, 90, 160), (200, 80, 0), (0, 130, 100), (120, 60, 140))
DASHES = ((), (9, 5), (2, 4), (12, 4, 2, 4))
LEVEL_DASHES = (4, 4)
MAX_TICKS = 8


@dataclass(frozen=True)
class Steps:
    """A stepped line: `heights[i]` between `edges[i]` and `edges[i + 1]`."""

    label: str
    edges: Floats
    heights: Floats


@dataclass(frozen=True)
class Points:
    """Points (x, y), in the order that a line joins them in."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]


def plot_steps(
    lines: Sequence[Steps], title: str, x_label: str, y_label: str, level: tuple[str, float] | None = None
) -> Frames:
    """Stepped lines over one pair of axes, as a picture (H, W, 3); the y axis starts at 0.

    A single line is filled to the axis; several are told apart by dashes, colour and a legend. `level`, a name and a
    height, is a thin line across for comparison.
    """
    low, high = min(float(line.edges[0]) for line in lines), max(float(line.edges[-1]) for line in lines)
    highest = max(max(float(line.heights.max()) for line in lines), level[1] if level else 0.0)
    axes = _Axes((low, high), (0.0, 1.08 * highest or 1.0))
    axes.frame(clean(title), x_label, y_label)
    entries: list[tuple[str, Colour, Sequence[int]]] = []
    for number, line in enumerate(lines):
        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        axes.line(line, colour, dashes, filled=len(lines) == 1)
        entries.append((clean(line.label, 24), colour, dashes))
    if level is not None:
        axes.level(level[1])
        entries.append((level[0], INK, LEVEL_DASHES))
    if len(entries) > 1:
        axes.legend(entries)
    return axes.picture()


def plot_points(lines: Sequence[Points], title: str, x_label: str, y_label: str) -> Frames:
    """Points joined by lines, as a picture (H, W, 3); lines are told apart by dashes, colour and a legend."""
    ranges = []
    for values in ([x for line in lines for x in line.xs], [y for line in lines for y in line.ys]):
        margin = 0.05 * (max(values) - min(values)) or 0.5
        ranges.append((min(values) - margin, max(values) + margin))
    axes = _Axes(ranges[0], ranges[1])
    axes.frame(clean(title), x_label, y_label)
    entries: list[tuple[str, Colour, Sequence[int]]] = []
    for number, line in enumerate(lines):
        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
        axes.points(line, colour, dashes)
        entries.append((clean(line.label, 16), colour, dashes))
    axes.legend(entries)
    return axes.picture()


def round_ticks(low: float, high: float, max_ticks: int = MAX_TICKS) -> list[float]:
    """At most `max_ticks` values in [low, high], spaced by 1, 2 or 5 times a power of ten."""
    span = high - low
    magnitude = 10.0 ** math.floor(math.log10(span / max_ticks))
    step = next(factor * magnitude for factor in (1, 2, 5, 10, 20) if span / (factor * magnitude) < max_ticks)
    return [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


class _Axes:
    """A drawing, in units of the two axes."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self._x_range = x_range
        self._y_range = y_range
        self._image = Image.new("RGB", (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(FONT_SIZE * SUPERSAMPLING)

    def frame(self, title: str, x_label: str, y_label: str) -> None:
        """Grid, ticks, labels and title."""
        for x in round_ticks(*self._x_range):
            self._segment([(self._x(x), TOP), (self._x(x), HEIGHT - BOTTOM)], FAINT)
            self._text((self._x(x), HEIGHT - BOTTOM + 6), f"{x:,.10g}", "ma")
        for y in round_ticks(*self._y_range, 6):
            self._segment([(LEFT, self._y(y)), (WIDTH - RIGHT, self._y(y))], FAINT)
            self._text((LEFT - 8, self._y(y)), f"{y:,.10g}", "rm")
        self._segment([(LEFT, TOP), (LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM)], INK)
        self._text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12), x_label, "ms")
        self._text((LEFT, TOP / 2), title, "lm")
        self._upright(y_label)

    def line(self, line: Steps, colour: Colour, dashes: Sequence[int], filled: bool) -> None:
        """One stepped line."""
        xs = np.repeat([self._x(edge) for edge in line.edges], 2)
        ys = np.repeat([self._y(height) for height in [0.0, *line.heights.tolist(), 0.0]], 2)[1:-1]
        points = list(zip(xs.tolist(), ys.tolist(), strict=True))
        if filled:
            tint = tuple(round(255 - (255 - part) * 0.35) for part in colour)
            self._draw.polygon([self._pixel(point) for point in points], fill=tint)
        for piece in _dashed(points, dashes):
            self._segment(piece, colour, 2)

    def points(self, line: Points, colour: Colour, dashes: Sequence[int]) -> None:
        """Dots, and a line through them."""
        places = [(self._x(x), self._y(y)) for x, y in zip(line.xs, line.ys, strict=True)]
        for piece in _dashed(places, dashes) if len(places) > 1 else []:
            self._segment(piece, colour, 2)
        for x, y in places:
            corners = [self._pixel((x + offset, y + offset)) for offset in (-4, 4)]
            self._draw.ellipse(corners, fill=colour)

    def level(self, height: float) -> None:
        """A thin line across."""
        for piece in _dashed([(LEFT, self._y(height)), (WIDTH - RIGHT, self._y(height))], LEVEL_DASHES):
            self._segment(piece, INK)

    def legend(self, entries: Sequence[tuple[str, Colour, Sequence[int]]]) -> None:
        """What each line is, in one row above the axes, at the right."""
        right = float(WIDTH - RIGHT)
        for label, colour, dashes in reversed(entries):
            self._text((right, TOP / 2), label, "rm")
            right -= self._draw.textlength(label, self._font) / SUPERSAMPLING + 8
            for piece in _dashed([(right - 36, TOP / 2), (right, TOP / 2)], dashes):
                self._segment(piece, colour, 2)
            right -= 36 + 22

    def picture(self) -> Frames:
        """The finished drawing, (H, W, 3)."""
        shrunk = self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        return np.asarray(shrunk, dtype=np.uint8)

    def _x(self, value: float) -> float:
        low, high = self._x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        low, high = self._y_range
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def _pixel(self, point: tuple[float, float]) -> tuple[float, float]:
        return point[0] * SUPERSAMPLING, point[1] * SUPERSAMPLING

    def _segment(self, points: Sequence[tuple[float, float]], colour: Colour, width: int = 1) -> None:
        self._draw.line([self._pixel(point) for point in points], fill=colour, width=width * SUPERSAMPLING)

    def _text(self, point: tuple[float, float], text: str, anchor: str) -> None:
        self._draw.text(self._pixel(point), text, fill=INK, font=self._font, anchor=anchor)

    def _upright(self, text: str) -> None:
        """The label of the y axis, read from below."""
        length = math.ceil(self._draw.textlength(text, self._font))
        label = Image.new("RGB", (length, (FONT_SIZE + 6) * SUPERSAMPLING), PAPER)
        ImageDraw.Draw(label).text((0, 0), text, fill=INK, font=self._font)
        middle = (TOP + HEIGHT - BOTTOM) * SUPERSAMPLING // 2
        self._image.paste(label.rotate(90, expand=True), (10 * SUPERSAMPLING, middle - length // 2))


def _dashed(points: list[tuple[float, float]], dashes: Sequence[int]) -> list[list[tuple[float, float]]]:
    """A line through `points` cut into dashes: lengths of ink and gap in turn; whole where there are none."""
    if not dashes:
        return [points]
    pieces: list[list[tuple[float, float]]] = []
    index, left, drawing = 0, float(dashes[0]), [points[0]]
    for end in points[1:]:
        here = drawing[-1]
        while (distance := math.dist(here, end)) > left:
            share = left / distance
            here = (here[0] + (end[0] - here[0]) * share, here[1] + (end[1] - here[1]) * share)
            drawing.append(here)
            if index % 2 == 0:
                pieces.append(drawing)
            index, drawing = index + 1, [here]
            left = float(dashes[index % len(dashes)])
        left -= distance
        drawing.append(end)
    return [*pieces, drawing] if index % 2 == 0 else pieces
