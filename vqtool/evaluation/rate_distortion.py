"""Bits and quality of tokenizers beside those of published codecs, on the same clips: `vqtool bench rd`."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from vqtool.core.config import MetricName
from vqtool.core.frames import to_model, to_uint8
from vqtool.core.metrics import Networks, build_metrics
from vqtool.data import Frames
from vqtool.data.windows import Windows
from vqtool.evaluation.baselines import baselines_for
from vqtool.evaluation.codecs import Codec, Coded
from vqtool.evaluation.evaluate import Reconstruct
from vqtool.evaluation.plots import Points, plot_points

Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class RatePoint:
    """A coder at one setting: bits a frame (NaN for a baseline), and mean scores over the clips by metric."""

    name: str
    setting: str
    bits_per_frame: float
    scores: dict[str, float]


def _free(reconstruct: Reconstruct) -> Codec:
    """A baseline as a codec without bits: what it knows of the clip is not sent."""

    def code(frames: Frames) -> Coded:
        return Coded(to_uint8(reconstruct(to_model(frames[None], torch.device("cpu"))).frames_BTCHW)[0], math.nan)

    return code


def measure_rates(
    codecs: Mapping[tuple[str, str], Codec],
    windows: Windows,
    metrics: Sequence[MetricName],
    networks: Networks,
    advance: Advance | None = None,
) -> list[RatePoint]:
    """Every codec, by name and setting, on every window; then the free baselines."""
    baselines = baselines_for(windows.clip_frames)
    all_codecs = {**codecs, **{(name, ""): _free(reconstruct) for name, reconstruct in baselines.items()}}
    first = build_metrics(metrics, networks)
    built = {key: [metric.twin() for metric in first] for key in all_codecs}
    num_bits: dict[tuple[str, str], float] = dict.fromkeys(all_codecs, 0.0)
    for index in range(len(windows)):
        real = np.ascontiguousarray(windows.gather(np.array([index]))[0])
        for key, codec in all_codecs.items():
            coded = codec(real)
            num_bits[key] += coded.num_bits
            for metric in built[key]:
                metric.update(_levels(real), _levels(coded.frames))
        if advance is not None:
            advance(index + 1, len(windows))
    num_frames = len(windows) * windows.clip_frames
    return [
        RatePoint(*key, num_bits[key] / num_frames, {metric.name: metric.compute() for metric in built[key]})
        for key in all_codecs
    ]


def _levels(frames: Frames) -> torch.Tensor:
    """uint8 (T, H, W, 3) -> float (1, T, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(frames)).movedim(-1, 1)[None].float() / 255


def rates_csv(points: Sequence[RatePoint]) -> str:
    """A row a point."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = list(points[0].scores)
    writer.writerow(["name", "setting", "bits_per_frame", *names])
    for point in points:
        bits = "" if math.isnan(point.bits_per_frame) else repr(point.bits_per_frame)
        writer.writerow([point.name, point.setting, bits, *(repr(point.scores[name]) for name in names)])
    return stream.getvalue()


def rates_record(points: Sequence[RatePoint]) -> list[dict[str, object]]:
    """The points as JSON has them."""
    return [
        asdict(point) | {"bits_per_frame": None if math.isnan(point.bits_per_frame) else point.bits_per_frame}
        for point in points
    ]


def rates_plot(points: Sequence[RatePoint]) -> Frames:
    """PSNR over bits a frame (powers of two), a line a coder, as a picture (H, W, 3)."""
    lines = []
    for name in dict.fromkeys(point.name for point in points if point.bits_per_frame > 0):
        own = sorted((p for p in points if p.name == name), key=lambda point: point.bits_per_frame)
        lines.append(Points(name, [math.log2(p.bits_per_frame) for p in own], [p.scores["psnr"] for p in own]))
    return plot_points(lines, "Rate and distortion", "log2 of bits a frame", "PSNR (dB)")


def nearest(point: RatePoint, others: Sequence[RatePoint]) -> RatePoint:
    """The other whose bits are nearest, as a ratio."""
    rated = [other for other in others if other.bits_per_frame > 0]
    return min(rated, key=lambda other: abs(math.log(other.bits_per_frame / point.bits_per_frame)))


def as_good(point: RatePoint, others: Sequence[RatePoint], metric: str = "psnr") -> RatePoint | None:
    """The other of fewest bits that scores at least as well, more being better; None where none does."""
    better = [other for other in others if other.scores[metric] >= point.scores[metric] and other.bits_per_frame > 0]
    return min(better, key=lambda other: other.bits_per_frame, default=None)


def verdict(point: RatePoint, published: Sequence[RatePoint]) -> str:
    """What the tokenizer's point is worth beside published codecs, in plain words."""
    near = nearest(point, published)
    gain = point.scores["psnr"] - near.scores["psnr"]
    text = f"{_described(point)}; nearest in bits {_described(near)} ({gain:+.2f} dB)"
    good = as_good(point, published)
    if good is None:
        return f"{text}; no codec here is as good"
    ratio = good.bits_per_frame / point.bits_per_frame
    return f"{text}; as good for {ratio:.2g} x its bits: {good.name} {good.setting}"


def _described(point: RatePoint) -> str:
    return f"{point.name} {point.setting} ({point.bits_per_frame:.1f} bits a frame, {point.scores['psnr']:.2f} dB)"
