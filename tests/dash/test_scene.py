import numpy as np
import pytest

from vqtool.dash.plotting.picture import half_block_colours, resize
from vqtool.dash.plotting.scene import (
    NO_CELL,
    Scene,
    Tile,
    changed_cells,
    draw_scene,
    limited_change,
    text_scene,
    write_text,
)


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


def scene_of(seed: int, text: str = "") -> Scene:
    cells = half_block_colours(np.random.default_rng(seed).integers(0, 256, (40, 20, 3), dtype=np.uint8))
    scene = Scene(cells, np.zeros(cells.shape, np.uint32))
    write_text(scene, 3, 2, text)
    return scene


def test_a_bounded_change_takes_text_first_and_arrives_in_the_end() -> None:
    shown, wanted = scene_of(0), scene_of(1, "label")
    different = int(changed_cells(shown, wanted).sum())
    before = shown
    for number in range(-(-different // 50)):
        after = limited_change(before, wanted, 50)
        assert int(changed_cells(before, after).sum()) <= 50
        assert number or rows_of(after)[3].startswith("▀▀label▀")
        before = after
    assert np.array_equal(before.cells, wanted.cells) and np.array_equal(before.codes, wanted.codes)
    assert limited_change(wanted, wanted, 0) is wanted


def test_of_colours_the_most_different_come_first() -> None:
    def row(*cells: int) -> Scene:
        return Scene(np.array([cells], np.int32), np.zeros((1, 3), np.uint32))

    assert limited_change(row(0, 0, 0), row(1, 31, 2), 1).cells.tolist() == [[0, 31, 0]]
    assert limited_change(row(0, 0, 0), row(1 << 25, 31 << 5, 2), 2).cells.tolist() == [[0, 31 << 5, 2]]
    assert limited_change(row(0, 0, 0), row(1, 31, 2), 0).cells.tolist() == [[0, 0, 0]]
