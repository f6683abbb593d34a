"""Videos whose frames carry their own number, so that a test sees which frames it got."""

import numpy as np

from vqtool.data.store_writer import Origin, Video

SIZE = 8
ORIGIN = Origin("robonet", 1, 7, "as given", (0.5, 0.25, 0.125), (0.1, 0.2, 0.3), ())


def numbered_video(trajectory: str, camera: str, length: int, first: int, state_dim: int = 3) -> Video:
    """A video whose every frame is filled with its own number (mod 256) in R and (div 256) in G."""
    numbers = np.arange(first, first + length)
    frames = np.zeros((length, SIZE, SIZE, 3), dtype=np.uint8)
    frames[..., 0] = (numbers % 256)[:, None, None]
    frames[..., 1] = (numbers // 256)[:, None, None]
    states = np.repeat(numbers[:, None], state_dim, axis=1).astype(np.float32)
    actions = np.full((length, 2), np.nan, dtype=np.float32)
    actions[:-1] = 1.5
    return Video(trajectory, camera, "sawyer", f"{trajectory}.hdf5", frames, states, actions)


def frame_numbers(frames: np.ndarray) -> np.ndarray:
    """The numbers that `numbered_video` gave the frames (..., H, W, 3)."""
    return frames[..., 0, 0, 0].astype(int) + 256 * frames[..., 0, 0, 1].astype(int)
