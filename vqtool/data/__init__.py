"""Frames on disk and in memory: the frame store, windows over it, the order of batches, video files and raw sources.

Torch-free. Everywhere here a video is `Frames`: uint8 RGB (T, H, W, 3).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Frames: TypeAlias = NDArray[np.uint8]
