import base64
import re
import zlib

import numpy as np
import pytest
from rich.cells import cell_len

from vqtool.dash.images import choose_images
from vqtool.dash.panels.graphics import MAX_IMAGES, KittyImages, SixelImages, cell_pixels
from vqtool.dash.plotting import kitty, sixel
from vqtool.dash.plotting.scene import MAX_IMAGE_CELLS, PlacedImage
from vqtool.errors import VqtoolError

TRUE = {"COLORTERM": "truecolor"}


def random_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({"TERM": "xterm-kitty"} | TRUE, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"} | TRUE, "kitty"),
        ({"TERM": "xterm-kitty"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"} | TRUE, "blocks"),
        ({"TERM": "xterm-kitty", "STY": "1.pts"} | TRUE, "blocks"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"} | TRUE, "shades"),
        ({"TERM": "xterm-256color"} | TRUE, "blocks"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "shades"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "blocks"),
    ],
)
def test_auto_asks_the_environment(environment: dict[str, str], mode: str) -> None:
    assert choose_images("auto", environment) == mode


def test_a_choice_is_kept_or_refused_with_its_reason() -> None:
    assert choose_images("kitty", TRUE) == "kitty"
    assert choose_images("sixel", {"TMUX": "x"}) == "sixel"
    assert choose_images("none", {"TERM": "xterm-kitty"} | TRUE) == "none"
    assert choose_images("half", {"TERM": "xterm-kitty"} | TRUE) == "blocks"
    for environment, words in (({"TMUX": "x"} | TRUE, "tmux"), ({"NO_COLOR": "1"} | TRUE, "NO_COLOR"), ({}, "24-bit")):
        with pytest.raises(VqtoolError, match=words):
            choose_images("kitty", environment)


def commands(text: str) -> list[tuple[dict[str, str], str]]:
    """The graphics commands in a text of nothing else: keys, payload."""
    found = re.findall(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\", text)
    assert "".join(f"\x1b_G{keys}{';' + data if data else ''}\x1b\\" for keys, data in found) == text
    return [(dict(pair.split("=") for pair in keys.split(",")), data) for keys, data in found]


def test_kitty_gets_the_pixels_in_chunks() -> None:
    picture = random_picture(64, 70)
    parts = commands(kitty.transmit(77, picture))
    assert parts[0][0] == {"a": "t", "f": "24", "o": "z", "s": "70", "v": "64", "i": "77", "q": "2", "m": "1"}
    assert [keys["m"] for keys, _ in parts] == ["1"] * (len(parts) - 1) + ["0"]
    assert all(set(keys) == {"m"} for keys, _ in parts[1:])
    assert all(len(data) == 4096 for _, data in parts[:-1])
    pixels = zlib.decompress(base64.b64decode("".join(data for _, data in parts)))
    assert np.array_equal(np.frombuffer(pixels, np.uint8).reshape(64, 70, 3), picture)


def test_placeholders_say_their_row_and_column() -> None:
    # First, second and last of the protocol's list as far as it is used, and one from the middle.
    assert kitty.DIACRITICS[:3] == ("\u0305", "\u030d", "\u030e")
    assert kitty.DIACRITICS[60] == "\u0616" and kitty.DIACRITICS[-1] == "\u1de6"
    assert len(set(kitty.DIACRITICS)) == kitty.MAX_CELLS >= MAX_IMAGE_CELLS
    row = kitty.placeholder_row(2, 3)
    assert row == "".join(f"\U0010eeee\u030e{column}" for column in ("\u0305", "\u030d", "\u030e"))
    assert cell_len(row) == 3


def test_each_picture_is_sent_once_and_forgotten_at_the_end() -> None:
    sent: list[str] = []
    images = KittyImages(sent.append)
    first, second = (PlacedImage(random_picture(8, 8, seed), 1, 0, 4, 8) for seed in (0, 1))
    [(_, one), (_, two)] = images.show([first, second])
    assert one != two and len(sent) == 2
    keys = [keys for keys, _ in commands(sent[0])]
    assert keys[-1] == {"a": "p", "U": "1", "i": str(one), "p": "1", "c": "8", "r": "4", "q": "2"}
    assert [number for _, number in images.show([second, first])] == [two, one] and len(sent) == 2
    strip = images.strip(first, one, 0)
    [segment] = strip
    assert strip.cell_length == 8 and segment.style is not None and segment.style.color is not None
    red, green, blue = segment.style.color.triplet or (0, 0, 0)
    assert red << 16 | green << 8 | blue == one
    images.clear()
    assert [keys["i"] for keys, _ in commands(sent[-1])] == [str(two), str(one)]


def test_the_terminal_never_keeps_more_than_so_many_pictures() -> None:
    images = KittyImages(lambda text: None)
    picture = random_picture(2, 2)
    numbers = {images.show([PlacedImage(picture, 0, 0, 1, width)])[0][1] for width in range(1, MAX_IMAGES + 50)}
    assert len(numbers) == MAX_IMAGES


def decoded_sixel(text: str) -> np.ndarray:
    """A picture from its sixels, written after the VT340's manual and nothing else."""
    header = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', text)
    assert header is not None and text.endswith("\x1b\\")
    width, height = map(int, header.groups())
    picture = np.zeros((height + 6, width, 3))
    palette: dict[int, tuple[float, ...]] = {}
    colour, column, top = 0, 0, 0
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|![0-9]+[?-~]|[?-~]|\$|-", text[header.end() : -2]):
        if token.startswith("#") and ";" in token:
            number, _, *channels = map(int, token[1:].split(";"))
            palette[number] = tuple(channel * 255 / 100 for channel in channels)
        elif token.startswith("#"):
            colour = int(token[1:])
        elif token == "$":
            column = 0
        elif token == "-":
            column, top = 0, top + 6
        else:
            repeat, bits = (int(token[1:-1]), ord(token[-1]) - 63) if token[0] == "!" else (1, ord(token) - 63)
            for row in range(6):
                if bits >> row & 1:
                    picture[top + row, column : column + repeat] = palette[colour]
            column += repeat
    assert not picture[height:].any()
    return picture[:height]


@pytest.mark.parametrize(("height", "width"), [(6, 5), (13, 8), (1, 1), (40, 33)])
def test_sixels_are_the_picture_within_the_palette(height: int, width: int) -> None:
    picture = random_picture(height, width)
    picture[: height // 2, : width // 2] = (255, 0, 128)
    assert np.abs(decoded_sixel(sixel.encode(picture)) - picture).max() <= 26


def test_sixels_go_where_the_picture_is_and_put_the_cursor_back() -> None:
    from textual.geometry import Offset

    sent: list[str] = []
    SixelImages(sent.append).paint([PlacedImage(random_picture(4, 4), 1, 5, 2, 4)], Offset(2, 3))
    [text] = sent
    height, width = cell_pixels()
    start, body, end = re.fullmatch(r"(\x1b7\x1b\[5;8H)(.*)(\x1b8)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    assert decoded_sixel(body).shape == (2 * height, 4 * width, 3)
    assert start and end
