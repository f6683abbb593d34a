"""Published codecs on a clip, and what rates and distortions are compared with what."""

import csv
import io
import math
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from vqtool.data.store import FrameStore
from vqtool.data.windows import evaluation_windows
from vqtool.evaluation.codecs import (
    X264,
    Coded,
    av1_payload,
    code_pictures,
    code_video,
    h264_payload,
    h265_payload,
    ordinary_priority,
    published_codecs,
)
from vqtool.evaluation.rate_distortion import RatePoint, as_good, measure_rates, nearest, rates_csv, rates_plot, verdict


def moving_clip(num_frames: int = 6, size: int = 64) -> np.ndarray:
    """A bright square that crosses a gradient."""
    rows, columns = np.mgrid[:size, :size]
    scene = np.stack([rows * 2, columns * 2, rows + columns], axis=-1).astype(np.uint8)
    clip = np.repeat(scene[None], num_frames, axis=0)
    for number, frame in enumerate(clip):
        frame[20:36, 6 * number : 6 * number + 16] = 240
    return clip


@pytest.mark.parametrize("name", sorted({name for name, _ in published_codecs(64)}))
def test_a_codec_gives_the_clip_back_better_for_more_bits(name: str) -> None:
    clip = moving_clip()
    codecs = [codec for (kind, _), codec in published_codecs(64).items() if kind == name]
    coded = [codec(clip) for codec in (codecs[0], codecs[-1])]
    assert all(one.frames.shape == clip.shape and one.frames.dtype == np.uint8 for one in coded)
    errors = [np.square(one.frames.astype(float) - clip).mean() for one in coded]
    assert errors[1] < errors[0]
    assert 0 < coded[0].num_bits < coded[1].num_bits
    # Frames come back in their order: each is nearest to its own.
    distances = np.abs(coded[1].frames[:, None].astype(float) - clip[None]).mean(axis=(2, 3, 4))
    assert distances.argmin(axis=1).tolist() == list(range(len(clip)))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="only Linux tells a thread's scheduling")
def test_no_codec_leaves_real_time_threads_behind() -> None:
    """As root SVT-AV1 makes the whole process one that starves the machine."""
    for codec in published_codecs(64).values():
        codec(moving_clip(2))
        threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}
    with ordinary_priority() as restore:
        if os.geteuid() == 0:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        restore()
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_pictures_are_counted_whole() -> None:
    clip = moving_clip(2)
    sizes = []
    for frame in clip:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=10, optimize=True)
        sizes.append(len(file.getvalue()))
    assert code_pictures("JPEG", 10, clip).num_bits == 8 * sum(sizes)


def test_payload_leaves_parameter_sets_and_strings_out() -> None:
    start = b"\0\0\0\1"
    sets = start + b"\x67abc" + start + b"\x68d" + start + b"\x06a long version string"
    assert h264_payload(sets + start + b"\x65slice" + b"\0\0\1" + b"\x41other") == 6 + 6
    assert h264_payload(sets) == 0
    hevc = b"".join(start + bytes([kind << 1, 1]) + b"xyz" for kind in (32, 33, 34, 39))
    assert h265_payload(hevc + start + bytes([19 << 1, 1]) + b"slice") == 7
    delimiter, sequence = bytes([2 << 3 | 2, 0]), bytes([1 << 3 | 2, 3]) + b"abc"
    frame = bytes([6 << 3 | 2, 0x82, 0x01]) + bytes(130)  # a size of two bytes
    assert av1_payload(delimiter + sequence + frame) == len(frame)


def test_all_slices_of_a_real_stream_are_counted() -> None:
    """What is left out of x264's packets is what a decoder of the slices does not need of the clip."""
    clip = moving_clip()
    coded = code_video(X264, 30, clip)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width = encoder.height = 64
    encoder.pix_fmt, encoder.time_base, encoder.options = "yuv420p", Fraction(1, 10), {**X264.options, "crf": "30"}
    packets = []
    for number, frame in enumerate(clip):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    whole = sum(packet.size for packet in packets)
    assert 600 < whole - coded.num_bits / 8 < 900  # version string, parameter sets, start codes


def test_measuring_counts_every_clip_and_adds_the_baselines(small_store: Path) -> None:
    windows = evaluation_windows(FrameStore.open(small_store), "train", 4, 3)
    points = measure_rates(
        {("half", "as it is"): lambda frames: Coded(frames // 2, 10.0 * len(frames))}, windows, ["psnr"], {}
    )
    assert [point.name for point in points] == ["half", "mean frame", "copy previous"]
    assert points[0].bits_per_frame == pytest.approx(10)
    assert math.isnan(points[1].bits_per_frame)
    rows = list(csv.DictReader(io.StringIO(rates_csv(points))))
    assert [row["bits_per_frame"] for row in rows] == ["10.0", "", ""]
    assert float(rows[0]["psnr"]) == points[0].scores["psnr"]


def test_the_verdict_names_the_nearest_rate_and_the_price_of_the_same_quality() -> None:
    def point(name: str, bits: float, psnr: float) -> RatePoint:
        return RatePoint(name, "q", bits, {"psnr": psnr})

    own = point("vqtool", 100, 20)
    others = [
        point("a", 60, 14),
        point("b", 190, 18),
        point("c", 400, 21),
        point("c", 300, 20),
        point("mean", math.nan, 30),
    ]
    assert nearest(own, others) is others[0]  # 100 / 60 = 1.67, 190 / 100 = 1.9
    assert as_good(own, others) is others[3]
    assert verdict(own, others) == (
        "vqtool q (100.0 bits a frame, 20.00 dB); nearest in bits a q (60.0 bits a frame, 14.00 dB) (+6.00 dB); "
        "as good for 3 x its bits: c q"
    )
    assert verdict(own, others[:2]).endswith("; no codec here is as good")
    assert rates_plot([own, *others]).shape[2] == 3
