"""Colours of table, floor and wall: noise of several scales, bent into wood, felt, tiles, marble and cloth."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Texture = Callable[[Vector, Vector], Vector]
"""Maps coordinates x, y in metres (any shape) to RGB in [0, 255] with one more axis."""

PALETTES = (
    ((196, 152, 104), (150, 104, 62)),
    ((222, 196, 158), (190, 156, 112)),
    ((112, 128, 140), (84, 98, 112)),
    ((86, 120, 92), (62, 92, 70)),
    ((178, 186, 190), (142, 150, 156)),
    ((96, 112, 150), (70, 82, 118)),
    ((150, 90, 80), (118, 64, 58)),
    ((232, 226, 214), (198, 190, 176)),
)


def random_texture(rng: np.random.Generator) -> Texture:
    """A texture drawn from all patterns and palettes."""
    light, dark = (np.array(colour, dtype=np.float64) for colour in PALETTES[rng.integers(len(PALETTES))])
    noise = _noise(rng)
    pattern = (_wood, _tiles, _marble, _felt, _cloth)[rng.integers(5)]
    angle = rng.uniform(0, np.pi)
    scale = rng.uniform(0.8, 1.3)

    def texture(x: Vector, y: Vector) -> Vector:
        across = (x * np.cos(angle) + y * np.sin(angle)) * scale
        along = (y * np.cos(angle) - x * np.sin(angle)) * scale
        share = np.clip(pattern(across, along, noise), 0, 1)[..., None]
        return np.asarray(dark + (light - dark) * share)

    return texture


def _noise(rng: np.random.Generator, cells: int = 64) -> Texture:
    """Smooth noise in [0, 1] of period `cells`, one value a unit square corner."""
    grid = rng.random((cells, cells))

    def noise(x: Vector, y: Vector) -> Vector:
        left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
        u, v = x - left, y - top
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
        rows, columns = (top % cells, (top + 1) % cells), (left % cells, (left + 1) % cells)
        upper = grid[rows[0], columns[0]] * (1 - u) + grid[rows[0], columns[1]] * u
        lower = grid[rows[1], columns[0]] * (1 - u) + grid[rows[1], columns[1]] * u
        return np.asarray(upper * (1 - v) + lower * v)

    return noise


def _wood(x: Vector, y: Vector, noise: Texture) -> Vector:
    plank = np.floor(y * 7)
    grain = noise(x * 4 + plank * 13, y * 90)
    seam = np.where(np.abs(y * 7 - plank) < 0.06, -0.6, 0.0)
    return 0.35 * noise(plank * 7.3, plank * 3.1) + 0.65 * grain + seam


def _tiles(x: Vector, y: Vector, noise: Texture) -> Vector:
    checks = (np.floor(x * 8) + np.floor(y * 8)) % 2
    return 0.75 * checks + 0.25 * noise(x * 60, y * 60)


def _marble(x: Vector, y: Vector, noise: Texture) -> Vector:
    bend = noise(x * 6, y * 6) + 0.5 * noise(x * 14, y * 14)
    veins: Vector = np.exp(-6 * np.abs(np.sin(8 * x + 5 * bend)))
    return 0.85 - 0.7 * veins + 0.15 * noise(x * 40, y * 40)


def _felt(x: Vector, y: Vector, noise: Texture) -> Vector:
    return 0.5 + 0.35 * (noise(x * 9, y * 9) - 0.5) + 0.5 * (noise(x * 110, y * 110) - 0.5)


def _cloth(x: Vector, y: Vector, noise: Texture) -> Vector:
    stripes = (np.sin(x * 50) > 0.35).astype(np.float64) * 0.45 + (np.sin(y * 50) > 0.35) * 0.45
    return stripes + 0.2 * noise(x * 90, y * 90)
