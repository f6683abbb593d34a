import numpy as np
import pytest

from vqtool.dash.plotting.picture import half_block_colours, resize
from vqtool.dash.plotting.scene import NO_CELL, Tile, draw_scene, limited_change, text_scene


def random_picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def rows_of(scene) -> list[str]:
    return ["".join(chr(code or ord("▀")) for code in row) for row in scene.codes]


def test_tiles_are_half_blocks_below_their_labels() -> None:
    tiles = [Tile("input", random_picture()), Tile("reconstruction", random_picture(1))]
    scene = draw_scene(tiles, 9, 33, "blocks")
    assert rows_of(scene)[0].split() == ["input", "reconstruction"]
    for left, tile in ((0, tiles[0]), (17, tiles[1])):
        assert np.array_equal(scene.cells[1:9, left : left + 16], half_block_colours(resize(tile.picture, 16, 16)))
    assert (scene.cells[:, 16] == NO_CELL).all()


def test_numbers_are_written_over_the_colours() -> None:
    scene = draw_scene([Tile("codes", random_picture(), np.array([[7, 42]]))], 9, 16, "blocks")
    assert {"7", "42"} <= set("".join(rows_of(scene)[1:]).replace("▀", " ").split())
    assert (scene.cells[1:] != NO_CELL).all()
    assert rows_of(draw_scene([Tile("codes", random_picture(), np.arange(256)[None])], 9, 16, "blocks"))[0].startswith(
        "no room for num"
    )


def test_without_colours_numbers_stand_alone_and_pictures_are_characters() -> None:
    tiles = [Tile("input", np.full((16, 16, 3), 255, np.uint8)), Tile("codes", random_picture(), np.array([[7, 42]]))]
    rows = rows_of(draw_scene(tiles, 9, 33, "shades"))
    assert rows[1][:16] == "@" * 16
    assert "".join(row[17:] for row in rows[1:]).split() == ["7", "42"]


def test_room_for_images_stays_free() -> None:
    scene = draw_scene([Tile("input", random_picture()), Tile("b", random_picture(1))], 9, 33, "images")
    assert (scene.cells == NO_CELL).all() and not "".join(rows_of(scene)[1:]).strip()
    assert [(image.row, image.column, image.rows, image.columns) for image in scene.images] == [
        (1, 0, 8, 16),
        (1, 17, 8, 16),
    ]


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 80), (80, 1), (2, 3), (-1, 5)])
def test_no_room_is_no_crash(rows: int, columns: int) -> None:
    scene = draw_scene([Tile("input", random_picture())] * 3, rows, columns, "blocks")
    assert scene.cells.shape == (max(0, rows), columns)
    assert text_scene(["some text"], rows, columns).codes.shape == (max(0, rows), columns)


def test_a_bounded_change_takes_the_largest_first_and_arrives_in_the_end() -> None:
    rng = np.random.default_rng(0)
    shown = half_block_colours(rng.integers(0, 256, (40, 20, 3), dtype=np.uint8))
    wanted = half_block_colours(rng.integers(0, 256, (40, 20, 3), dtype=np.uint8))
    different = int((shown != wanted).sum())
    before = shown
    for _ in range(-(-different // 50)):
        after = limited_change(before, wanted, 50)
        assert int((after != before).sum()) <= 50
        before = after
    assert np.array_equal(before, wanted)
    flat = np.zeros((1, 3), np.int32)
    assert limited_change(flat, np.array([[1, 31, 2]], np.int32), 1).tolist() == [[0, 31, 0]]
    assert limited_change(flat, np.array([[1, 31, 2]], np.int32), 0).tolist() == [[0, 0, 0]]
