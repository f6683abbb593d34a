import numpy as np
import pytest

from vqtool.dash.plotting.token_map import code_colours, overlay, place_numbers, token_parts


def test_each_codebook_is_a_part_numbered_from_its_own_start() -> None:
    # Context: two levels of 10 and 20 codes; frames: one code of the third codebook.
    context = np.array([[[1, 9], [3, 4], [10, 29], [15, 11]]])
    frames = np.array([[[30, 31]], [[35, 39]], [[30, 30]]])
    parts = token_parts(frames, context, (10, 20, 10), 2)
    assert [part.name for part in parts] == ["codes", "context level 1", "context level 2"]
    assert parts[0].grids.tolist() == [[[0, 1]], [[5, 9]], [[0, 0]]]
    assert parts[1].grids.tolist() == [[[1, 9], [3, 4]]] * 3
    assert parts[2].grids.tolist() == [[[0, 19], [5, 1]]] * 3


def test_frames_get_the_context_of_their_segment() -> None:
    context = np.arange(3).reshape(3, 1, 1)
    frames = np.zeros((30, 1, 1), int) + 5
    _, shared = token_parts(frames, context, (5, 3), 12)
    assert shared.grids.ravel().tolist() == [0] * 12 + [1] * 12 + [2] * 6


@pytest.mark.parametrize("sizes", [(), (4,), (8, 8), (2, 3)])
def test_tokens_that_do_not_fit_the_codebooks_stay_one_part(sizes: tuple[int, ...]) -> None:
    # Rows of one codebook each is what a grid has; here a row mixes them, or codes lie beyond the last.
    tokens = np.array([[[0, 9], [15, 3]]])
    [part] = token_parts(tokens, None, sizes, 0)
    assert part.grids.tolist() == tokens.tolist()


@pytest.mark.parametrize("shape", [(), (4,), (0, 2, 2), (2, 0, 0)])
def test_tokens_of_a_damaged_file_have_no_part(shape: tuple[int, ...]) -> None:
    assert token_parts(np.zeros(shape, int), np.zeros((1, 1), int), (4,), 0) == []


def test_codes_have_colours_of_their_own() -> None:
    colours = code_colours(np.arange(1024).reshape(32, 32)).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 1000
    neighbours = np.abs(np.diff(colours.astype(int), axis=0)).sum(axis=1)
    assert neighbours.min() > 60
    same = code_colours(np.array([[7, 7], [3, 7]]))
    assert (same[0, 0] == same[1, 1]).all() and (same[0, 0] != same[1, 0]).any()


def test_overlay_tints_the_area_of_each_code() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    tinted = overlay(grey, np.array([[1, 2], [3, 1]]))
    assert (tinted[:4, :4] == tinted[0, 0]).all() and (tinted[4:, 4:] == tinted[0, 0]).all()
    assert (tinted[0, 0] != tinted[0, 7]).any()


def test_numbers_stand_inside_their_areas_or_not_at_all() -> None:
    tokens = np.array([[1, 22, 333], [4, 5, 1023]])
    placed = place_numbers(tokens, 4, 15)
    assert [number.text for number in placed] == ["1", "22", "333", "4", "5", "1023"]
    for number, (i, j) in zip(placed, np.ndindex(2, 3), strict=True):
        assert number.row in (2 * i, 2 * i + 1)
        assert 5 * j <= number.column and number.column + len(number.text) <= 5 * (j + 1)
    assert place_numbers(tokens, 4, 11) == []
    assert place_numbers(tokens, 1, 15) == []
    assert len(place_numbers(tokens, 4, 12)) == 6
    assert place_numbers(tokens, 4, 12, gap=1) == []
