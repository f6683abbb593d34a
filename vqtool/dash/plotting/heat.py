"""Levels as a picture from dark to bright, in colours that are told apart by their brightness alone too."""

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.plotting.picture import Pixels

_ANCHORS = np.array(
    [(0, 0, 0), (60, 15, 90), (150, 45, 95), (225, 95, 50), (250, 170, 40), (255, 250, 190)], np.float64
)
MAX_LEVEL = 255


def heat_colours(levels: NDArray[np.float64]) -> Pixels:
    """Levels in [0, `MAX_LEVEL`], (H, W), as pixels (H, W, 3); 0 is black."""
    place = np.clip(levels / MAX_LEVEL, 0, 1) * (len(_ANCHORS) - 1)
    channels = [np.interp(place, np.arange(len(_ANCHORS)), _ANCHORS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
