"""Videos whose frames carry their own number as black and white bars, which every codec and size keeps apart."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vqtool.evaluation.codecs import ordinary_priority

BITS = 8
HEIGHT, WIDTH = 48, 64


def bar_frame(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Grey (height, width, 3) with bit i of `number` as the i-th of eight upright bars."""
    bars = [220 if number >> bit & 1 else 35 for bit in range(BITS)]
    row = np.asarray(bars, dtype=np.uint8)[np.arange(width) * BITS // width]
    return np.repeat(np.repeat(row[None, :, None], height, axis=0), 3, axis=2)


def bar_frames(numbers: range) -> np.ndarray:
    """Frames (T, 48, 64, 3)."""
    return np.stack([bar_frame(number) for number in numbers])


def bar_numbers(frames: np.ndarray) -> list[int]:
    """The numbers in frames (T, H, W, 3), whatever their size; their aspect ratio may have changed."""
    _, height, width, _ = frames.shape
    centres = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    bars = frames[:, height // 4 : 3 * height // 4, centres].mean(axis=(1, 3)) > 128
    return [int(sum(1 << bit for bit in range(BITS) if row[bit])) for row in bars]


def write_bars(
    path: Path,
    numbers: range,
    codec: str = "libx264",
    fps: int = 10,
    times: list[int] | None = None,
    gop_size: int = 7,
    options: dict[str, str] | None = None,
) -> None:
    """Encode with PyAV directly; `times` are those of the frames in milliseconds, else they are evenly spaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = options or {"libsvtav1": {"preset": "10", "crf": "40", "svtav1-params": "lp=1"}}.get(codec, {})
    with ordinary_priority(), av.open(str(path), "w") as file:
        track = file.add_stream(codec, rate=Fraction(fps), options=options)
        track.height, track.width, track.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        track.gop_size = gop_size
        if times:
            track.codec_context.time_base = Fraction(1, 1000)
        for position, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(bar_frame(number), format="rgb24").reformat(format="yuv420p")
            if times:
                frame.pts, frame.time_base = times[position], Fraction(1, 1000)
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
