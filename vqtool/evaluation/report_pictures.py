"""The pictures of a report: best and worst clips, PSNR of the frames, use of the codebook."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vqtool.core.metrics.psnr import MAX_DB
from vqtool.core.text import clean
from vqtool.data import Frames
from vqtool.evaluation.pictures import FULL_ERROR, GAP, HEAT, strip
from vqtool.evaluation.plots import Steps, plot_steps
from vqtool.evaluation.reconstruct import Pair, reconstruct_windows
from vqtool.evaluation.report import Report

NUM_CLIPS = 4
STRIP_FRAMES = 6
"""Columns of a strip: evenly spread over the clip, so that each is large enough to see."""
STRIP_WIDTH, PANEL_SIZE = 960, 192
"""The most that a strip, and one frame in it, is enlarged to, pixels."""
MARGIN, CAPTION, TEXT_WIDTH = 64, 26, 480
"""Room for text left of a strip, above it and at least beside the margin, pixels."""
FONT_SIZE = 14
MAX_BINS = 48
INK, PAPER = (40, 40, 40), (255, 255, 255)


def extreme_windows(report: Report, name: str, num_clips: int = NUM_CLIPS) -> tuple[list[int], list[int]]:
    """The windows that row `name` reconstructs best, best first, and worst, worst first; by PSNR."""
    order = np.argsort(_clip_psnr(report, name), kind="stable").tolist()
    return order[::-1][:num_clips], order[:num_clips]


def clip_strips(report: Report, name: str, chosen: Sequence[int]) -> Frames:
    """Input, reconstruction and error of some windows below each other, with captions and the scale of the error."""
    tokenizer, scores = report.tokenizers[name], _clip_psnr(report, name)
    pairs = reconstruct_windows(tokenizer.model, report.windows, tokenizer.reconstruct, chosen)
    rows = [_captioned(pair, f"{pair.name}   {scores[i]:.2f} dB") for pair, i in zip(pairs, chosen, strict=True)]
    rows.append(_error_scale(rows[0].shape[1]))
    return np.concatenate(rows)


def psnr_histogram(report: Report) -> Frames:
    """How many frames have which PSNR, a line a checkpoint; identical frames count as `MAX_DB`."""
    values = {name: np.minimum(_frame_psnr(report, name).ravel(), MAX_DB) for name in report.tokenizers}
    low = np.floor(min(found.min() for found in values.values()))
    high = np.ceil(max(found.max() for found in values.values()) + 1e-9)
    width = next(width for width in (0.25, 0.5, 1.0, 2.0) if (high - low) / width <= MAX_BINS or width == 2.0)
    edges = np.arange(low, high + width, width)
    lines = [Steps(name, edges, np.histogram(found, edges)[0].astype(np.float64)) for name, found in values.items()]
    title = f"PSNR of {report.first.num_frames:,} frames, split {report.split}"
    return plot_steps(lines, title, "PSNR of a frame (dB)", f"frames in {width:g} dB")


def codebook_plot(report: Report) -> Frames:
    """The share of the tokens that each code has, most used first, a line a checkpoint."""
    lines, sizes = [], set()
    for name in report.tokenizers:
        counts = np.sort(report.usage(name).counts.numpy())[::-1].astype(np.float64)
        lines.append(Steps(name, np.arange(len(counts) + 1, dtype=np.float64), counts / counts.sum() * 100))
        sizes.add(len(counts))
    level = ("even use", 100 / sizes.pop()) if len(sizes) == 1 else None
    title = "Use of the codebook"
    return plot_steps(lines, title, "codes, most used first", "share of the tokens (%)", level)


def _clip_psnr(report: Report, name: str) -> list[float]:
    """Mean PSNR of each window's frames, dB; each frame at most `MAX_DB`."""
    means: list[float] = np.minimum(_frame_psnr(report, name), MAX_DB).mean(axis=1).tolist()
    return means


def _frame_psnr(report: Report, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    found = report.rows[name].frame_psnr
    assert found is not None
    return found.double().numpy()


def _captioned(pair: Pair, caption: str) -> Frames:
    columns = np.unique(np.linspace(0, len(pair.real) - 1, min(STRIP_FRAMES, len(pair.real))).round().astype(int))
    size = pair.real.shape[1]
    scale = max(1, min(STRIP_WIDTH // (len(columns) * (size + GAP)), PANEL_SIZE // size))
    picture = strip(pair.real[columns], pair.fake[columns], scale)
    canvas = Image.new("RGB", (MARGIN + max(picture.shape[1], TEXT_WIDTH), CAPTION + picture.shape[0] + 12), PAPER)
    canvas.paste(Image.fromarray(picture), (MARGIN, CAPTION))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_SIZE)
    draw.text((MARGIN, CAPTION / 2), clean(caption, 110), fill=INK, font=font, anchor="lm")
    for number, label in enumerate(("input", "output", "error")):
        middle = CAPTION + (number * (size + GAP) + size / 2) * scale
        draw.text((MARGIN - 8, middle), label, fill=INK, font=font, anchor="rm")
    return np.asarray(canvas, dtype=np.uint8)


def _error_scale(width: int) -> Frames:
    """The colours of an error and what they mean, grey levels."""
    canvas = Image.new("RGB", (width, CAPTION), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_SIZE)
    length = 192
    position = np.linspace(0, len(HEAT) - 1, length)
    ramp = np.stack([np.interp(position, np.arange(len(HEAT)), HEAT[:, channel]) for channel in range(3)], axis=-1)
    bar = np.repeat(ramp.round().astype(np.uint8)[None], 12, axis=0)
    draw.text((MARGIN, CAPTION / 2), "error: 0", fill=INK, font=font, anchor="lm")
    canvas.paste(Image.fromarray(bar), (MARGIN + 62, CAPTION // 2 - 6))
    text = f"{FULL_ERROR} grey levels of 255 or more"
    draw.text((MARGIN + 62 + length + 8, CAPTION / 2), text, fill=INK, font=font, anchor="lm")
    return np.asarray(canvas, dtype=np.uint8)
