"""Frames and tokens on disk and in memory: stores, windows over them, order of batches, video files, raw sources.

Torch-free. Everywhere here a video is `Frames`: uint8 RGB (T, H, W, 3).
"""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vqtool.data.token_clips import TokenClips

__all__ = ["Frames", "TokenClips"]

Frames: TypeAlias = NDArray[np.uint8]


def __getattr__(name: str) -> Any:
    """`TokenClips`, which the users of a token store look for here, and which itself needs this module."""
    if name == "TokenClips":
        from vqtool.data.token_clips import TokenClips

        return TokenClips
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
