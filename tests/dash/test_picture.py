import cv2
import numpy as np
import pytest

from vqtool.dash.plotting.bars import code_map, perplexity, rank_bars
from vqtool.dash.plotting.picture import (
    SHADES,
    arrange,
    error_map,
    half_block_colours,
    resize,
    shades,
    split_colours,
)


def random_picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_shrinking_by_whole_factors_is_area_averaging(factor: int) -> None:
    picture = random_picture(64, 96)
    size = (96 // factor, 64 // factor)
    expected = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    difference = resize(picture, 64 // factor, 96 // factor).astype(int) - expected
    assert np.abs(difference).max() <= 1, "rows are rounded before columns"


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 64), (100, 130)])
def test_any_size_is_reached_and_flat_colours_stay(size: tuple[int, int]) -> None:
    flat = np.full((64, 64, 3), (10, 200, 30), np.uint8)
    assert (resize(flat, *size) == (10, 200, 30)).all()
    assert resize(random_picture(64, 64), *size).shape == (*size, 3)


def test_growing_repeats_pixels() -> None:
    picture = random_picture(3, 2)
    assert np.array_equal(resize(picture, 9, 4), picture.repeat(3, axis=0).repeat(2, axis=1))


def test_cells_hold_both_colours_within_the_quantisation() -> None:
    picture = random_picture(8, 5)
    cells = half_block_colours(picture)
    assert cells.shape == (4, 5)
    for row in range(4):
        for column in range(5):
            upper, lower = split_colours(int(cells[row, column]))
            assert np.abs(np.array(upper) - picture[2 * row, column]).max() <= 8
            assert np.abs(np.array(lower) - picture[2 * row + 1, column]).max() <= 8
    assert split_colours(int(half_block_colours(np.full((2, 1, 3), 255, np.uint8))[0, 0])) == ((255,) * 3, (255,) * 3)


def test_arrangement_fits_keeps_shape_and_uses_the_longer_side() -> None:
    for rows in range(1, 40):
        for columns in range(1, 120, 7):
            for count in (2, 3):
                place = arrange(count, 64, 64, rows, columns)
                if place is None:
                    continue
                used_rows = (place.rows + 1) * (1 if place.side_by_side else count)
                used_columns = place.columns * count + count - 1 if place.side_by_side else place.columns
                assert used_rows <= rows and used_columns <= columns
                assert abs(2 * place.rows - place.columns) <= 2
    wide, tall = arrange(2, 64, 64, 20, 80), arrange(2, 64, 64, 60, 40)
    assert wide is not None and wide.side_by_side
    assert tall is not None and not tall.side_by_side
    assert arrange(2, 64, 64, 1, 80) is None


def test_error_map_is_grey_and_amplified() -> None:
    real, other = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 110, np.uint8)
    assert (error_map(real, other) == 40).all()
    assert (error_map(other, real) == 40).all()
    assert (error_map(real, np.full_like(real, 255)) == 255).all()


def test_shades_go_from_dark_to_bright() -> None:
    ramp = np.repeat(np.arange(0, 256, 255 // 9, dtype=np.uint8)[None, :, None], 2, axis=0).repeat(3, axis=2)
    [row] = shades(ramp)
    assert row[0] == SHADES[0] and row[-1] == SHADES[-1]
    assert [SHADES.index(character) for character in row] == sorted(SHADES.index(character) for character in row)


def test_bars_fall_and_every_use_is_seen() -> None:
    counts = np.array([0, 1000, 1, 0, 30])
    lines = rank_bars(counts, 4, 5)
    heights = [sum(line[column] != " " for line in lines) for column in range(5)]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] == 4 and heights[2] >= 1 and heights[3:] == [0, 0]
    assert all(len(line) == 40 for line in rank_bars(np.arange(1024), 3, 40))
    assert rank_bars(np.zeros(8, int), 2, 8) == [" " * 8, " " * 8]
    assert rank_bars(counts, 0, 5) == []
    assert rank_bars(np.array([0, 10**9, 1]), 1, 3) == ["█▁ "]


def test_map_shows_dead_codes_in_their_place() -> None:
    assert code_map(np.array([0, 5, 0, 5, 5]), 2) == ["·█", "·█", "█"]


def test_perplexity() -> None:
    assert perplexity(np.full(64, 9)) == pytest.approx(64)
    assert perplexity(np.array([7, 0, 0])) == pytest.approx(1)
    assert perplexity(np.array([3, 1])) == pytest.approx(2 ** (0.75 * np.log2(4 / 3) + 0.25 * 2))
    assert perplexity(np.zeros(3, int)) == 0
