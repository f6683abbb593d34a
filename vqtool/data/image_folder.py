"""A folder of numbered images as a video."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vqtool.data import Frames
from vqtool.data.video import MAX_PIXELS, over_black
from vqtool.errors import DataError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_NUMBERED = re.compile(r"(.*?)(\d+)", re.DOTALL)


def is_numbered_image(file: str) -> bool:
    """Whether a file name is that of an image whose stem ends in a number."""
    stem, dot, suffix = file.rpartition(".")
    return bool(dot) and f".{suffix.lower()}" in IMAGE_SUFFIXES and _NUMBERED.fullmatch(stem) is not None


def numbered_images(files: Iterable[str]) -> list[str]:
    """The numbered images among file names, in the order of their numbers: frame2.png before frame10.png.

    Raises:
        DataError: images of several series, such as rgb_1.png and depth_1.png, or two images of one number.
    """
    parts = {file: _split(file) for file in files if is_numbered_image(file)}
    series = sorted({prefix for prefix, _ in parts.values()})
    if len(series) > 1:
        named = ", ".join(f"{prefix}*" for prefix in series[:4])
        raise DataError(f"it holds images of {len(series)} series ({named}): give each a folder of its own")
    numbers = {number: file for file, (_, number) in parts.items()}
    if len(numbers) < len(parts):
        twice = next(file for file in sorted(parts) if numbers[parts[file][1]] != file)
        raise DataError(f"{twice} and {numbers[parts[twice][1]]} have the same number")
    return [file for _, file in sorted(numbers.items())]


def read_image(path: Path) -> Frames:
    """One image file as `decode_image` gives it.

    Raises:
        DataError: as `decode_image`, with the file's name; or it cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            return decode_image(stream)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error
    except OSError as error:
        raise DataError(f"{path.name}: {error}") from error


def decode_image(stream: IO[bytes]) -> Frames:
    """One image as (H, W, 3), upright, grey and palette images in colours, transparent ones over black.

    Raises:
        DataError: not an image that can be decoded, or a huge one.
    """
    try:
        with Image.open(stream, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"it claims {image.width} x {image.height} pixels")
            return _to_rgb(ImageOps.exif_transpose(image))
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "not an image that can be decoded" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DataError(reason) from error


def _to_rgb(image: Image.Image) -> Frames:
    if image.mode.startswith("I"):
        # 16 bits a pixel; Pillow's own conversion would clip at 255.
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        return over_black(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _split(file: str) -> tuple[str, int]:
    found = _NUMBERED.fullmatch(file.rpartition(".")[0])
    assert found
    return found[1], int(found[2])
