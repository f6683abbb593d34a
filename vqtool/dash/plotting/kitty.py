"""Pictures by the kitty graphics protocol, as Unicode placeholders: cells of text that the terminal paints.

https://sw.kovidgoyal.net/kitty/graphics-protocol/, sections "Transferring pixel data" and "Unicode placeholders".
"""

import base64
import zlib
from collections.abc import Iterator

from vqtool.dash.plotting.picture import Pixels

PLACEHOLDER = "\U0010eeee"
CHUNK_BYTES = 4096
_DIACRITICS = (
    "305 30D-30E 310 312 33D-33F 346 34A-34C 350-352 357 35B 363-36F 483-487 592-595 597-599 59C-5A1 5A8-5A9 "
    "5AB-5AC 5AF 5C4 610-617 657-65B 65D-65E 6D6-6DC 6DF-6E2 6E4 6E7-6E8 6EB-6EC 730 732-733 735-736 73A 73D "
    "73F-741 743 745 747 749-74A 7EB-7F1 7F3 816-819 81B-823 825-827 829-82D 951 953-954 F82-F83 F86-F87 135D-135F "
    "17DD 193A 1A17 1A75-1A7C 1B6B 1B6D-1B73 1CD0-1CD2 1CDA-1CDB 1CE0 1DC0-1DC1 1DC3-1DC9 1DCB-1DCC 1DD1-1DE6 "
)
"""Code points of the numbers 0, 1, 2, ... of a row or column, ranges in hex, as far as they are needed here."""


def _code_points() -> Iterator[str]:
    for part in _DIACRITICS.split():
        first, _, last = part.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


DIACRITICS = tuple(_code_points())
MAX_CELLS = len(DIACRITICS)


def transmit(image_id: int, picture: Pixels) -> str:
    """Escape sequences that give the terminal a picture (H, W, 3) under a number; it shows nothing yet, nor answers."""
    height, width, _ = picture.shape
    data = base64.b64encode(zlib.compress(picture.tobytes(), 6)).decode()
    chunks = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    parts = []
    for number, chunk in enumerate(chunks):
        facts = f"a=t,f=24,o=z,s={width},v={height},i={image_id},q=2," if number == 0 else ""
        more = int(number < len(chunks) - 1)
        parts.append(f"\x1b_G{facts}m={more};{chunk}\x1b\\")
    return "".join(parts)


def place(image_id: int, rows: int, columns: int) -> str:
    """The escape sequence that makes placeholders show the picture on `rows` x `columns` cells."""
    return f"\x1b_Ga=p,U=1,i={image_id},p=1,c={columns},r={rows},q=2\x1b\\"


def delete(image_id: int) -> str:
    """The escape sequence that makes the terminal forget the picture."""
    return f"\x1b_Ga=d,d=I,i={image_id},q=2\x1b\\"


def placeholder_row(row: int, columns: int) -> str:
    """The text of one row of a picture; its foreground colour has to be the picture's number as 24-bit RGB."""
    return "".join(f"{PLACEHOLDER}{DIACRITICS[row]}{DIACRITICS[column]}" for column in range(columns))
