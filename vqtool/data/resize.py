"""Resizing frames the way RoboNet's loader does: area when the frame shrinks, cubic when it grows.

OpenCV's INTER_AREA and INTER_CUBIC are the reference: the same weights, summed in another order, so single values may
differ by one grey level. Shrinking is what RoboNet's frames need and lies in `area.py`;
what grows along an axis, in `stretch.py`.
"""

from typing import Literal, assert_never

import numpy as np

from vqtool.data import Frames
from vqtool.data.area import average_areas

Fit = Literal["squash", "crop", "pad"]


def resize_square(frames: Frames, size: int, fit: Fit) -> Frames:
    """Resize uint8 frames (T, H, W, C) to (T, size, size, C).

    `squash` changes the aspect ratio, as the original did; `crop` keeps the largest square at the centre; `pad` keeps
    the whole frame and fills the rest with black. What cannot be centred exactly lies half a pixel to the top left.
    """
    _, height, width, _ = frames.shape
    match fit:
        case "squash":
            return resize(frames, size, size)
        case "crop":
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            return resize(frames[:, top : top + side, left : left + side], size, size)
        case "pad":
            return _letterbox(frames, size)
        case _:
            assert_never(fit)


def _letterbox(frames: Frames, size: int) -> Frames:
    num_frames, old_height, old_width, channels = frames.shape
    longest = max(old_height, old_width)
    height, width = (max((2 * side * size + longest) // (2 * longest), 1) for side in (old_height, old_width))
    top, left = (size - height) // 2, (size - width) // 2
    padded = np.zeros((num_frames, size, size, channels), dtype=np.uint8)
    padded[:, top : top + height, left : left + width] = resize(frames, height, width)
    return padded


def resize(frames: Frames, height: int, width: int) -> Frames:
    """Resize uint8 frames (T, H, W, C) to (T, height, width, C), without keeping their aspect ratio.

    Area averaging where the result has fewer pixels than the source, bicubic with edge pixels repeated otherwise.
    """
    _, old_height, old_width, _ = frames.shape
    if (old_height, old_width) == (height, width):
        return frames
    if height <= old_height and width <= old_width:
        return average_areas(frames, height, width)
    # SciPy takes a quarter of a second to import, and the frames of a store seldom grow.
    from vqtool.data.stretch import stretch

    return stretch(frames, height, width)
