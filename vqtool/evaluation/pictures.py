"""Pictures of reconstructions: input | reconstruction | error, as moving pictures and as strips."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqtool.data import Frames

GAP = 2
"""Pixels between the panels, before enlarging."""
BACKGROUND = 255
HEAT = np.array([[0, 0, 0], [70, 10, 90], [190, 45, 60], [245, 140, 30], [255, 240, 150]], dtype=np.float32)
"""Colours of an error from 0 to `FULL_ERROR`, dark to bright, so that it also reads in grey."""
FULL_ERROR = 96
"""Mean absolute difference of a pixel, in grey levels, that gets the brightest colour."""


def error_map(real: Frames, fake: Frames) -> Frames:
    """Mean absolute difference over the channels of uint8 (..., H, W, 3), coloured."""
    difference = np.abs(real.astype(np.int16) - fake.astype(np.int16)).mean(axis=-1)
    position = np.clip(difference / FULL_ERROR, 0, 1) * (len(HEAT) - 1)
    low = np.minimum(position.astype(np.intp), len(HEAT) - 2)
    share = (position - low)[..., None]
    colours: NDArray[np.float32] = HEAT[low] * (1 - share) + HEAT[low + 1] * share
    return colours.round().astype(np.uint8)


def side_by_side(real: Frames, fake: Frames, scale: int) -> Frames:
    """(T, H, W, 3) twice -> input | reconstruction | error of each frame, enlarged `scale` times."""
    return enlarge(_join([real, fake, error_map(real, fake)], axis=2), scale)


def strip(real: Frames, fake: Frames, scale: int) -> Frames:
    """(T, H, W, 3) twice -> one picture: rows input, reconstruction and error, a column a frame."""
    rows = [_join(list(frames), axis=1) for frames in (real, fake, error_map(real, fake))]
    return enlarge(_join(rows, axis=0), scale)


def stack_clips(clips: Sequence[Frames]) -> Frames:
    """Moving pictures (T, H, W, 3) below each other; the shorter hold their last frame, the narrower get a margin."""
    longest, widest = max(len(clip) for clip in clips), max(clip.shape[2] for clip in clips)
    held = [_widen(clip[np.minimum(np.arange(longest), len(clip) - 1)], widest) for clip in clips]
    return _join(held, axis=1)


def enlarge(frames: Frames, scale: int) -> Frames:
    """Every pixel of (..., H, W, 3) as `scale` x `scale` pixels, so that what is seen is what was stored."""
    return frames.repeat(scale, axis=-3).repeat(scale, axis=-2)


def _widen(frames: Frames, width: int) -> Frames:
    """(T, H, W, 3) with a margin to the right, up to `width` pixels."""
    return np.pad(frames, ((0, 0), (0, 0), (0, width - frames.shape[2]), (0, 0)), constant_values=BACKGROUND)


def _join(panels: Sequence[Frames], axis: int) -> Frames:
    """Panels along `axis`, with a gap between."""
    shape = list(panels[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, BACKGROUND, dtype=np.uint8)
    joined = [part for panel in panels for part in (gap, panel)][1:]
    return np.concatenate(joined, axis=axis)
