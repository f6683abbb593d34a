"""The files of a report: page, pictures, scores by clip, and `report.json` last."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from vqtool.core.atomic import explained_os_errors, write_atomic
from vqtool.core.metrics.codebook import code_lengths
from vqtool.data import Frames
from vqtool.errors import DataError
from vqtool.evaluation.report import Report
from vqtool.evaluation.report_page import picture_names, report_page
from vqtool.evaluation.report_pictures import clip_strips, codebook_plot, extreme_windows, psnr_histogram
from vqtool.evaluation.report_record import report_record

RECORD_FILE = "report.json"
PAGE_FILE = "report.md"
SCORES_FILE = "scores.csv"


def check_folder(folder: Path) -> None:
    """Make the folder of a report, before any work is done.

    Raises:
        DataError: it is a file. VqtoolError: it cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"--report {folder} is a file: give a folder")
    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_report(report: Report, folder: Path) -> None:
    """Write a report into `folder`, over an earlier one; a folder with `report.json` has all of it.

    Raises:
        VqtoolError: no space left, or the folder cannot be written.
    """
    with explained_os_errors(folder):
        (folder / RECORD_FILE).unlink(missing_ok=True)
    for name, picture in _pictures(report):
        write_atomic(folder / name, iio.imwrite("<bytes>", picture, extension=".png"))
    write_atomic(folder / SCORES_FILE, scores_csv(report))
    write_atomic(folder / PAGE_FILE, report_page(report))
    write_atomic(folder / RECORD_FILE, json.dumps(report_record(report), indent=2) + "\n")


def scores_csv(report: Report) -> str:
    """A row a clip and checkpoint: where it is from, its scores, and its bits.

    `bits` is tokens times log2 K, K of the codebook that each is from; `entropy_bits` the ideal code length of the
    clip's tokens under their frequencies in the whole split: over all clips its mean is the entropy in the report.
    """
    metrics = list(report.first.clip_scores)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["model", "clip", "trajectory", "camera", "robot", *metrics, "bits", "entropy_bits"])
    for name, tokenizer in report.tokenizers.items():
        row, entropy_bits = report.rows[name], _entropy_bits(report, name)
        bits = tokenizer.bits_per_frame * report.windows.clip_frames
        for index, clip in enumerate(report.clips):
            scores = [repr(row.clip_scores[metric][index]) for metric in metrics]
            facts = [name, row.clip_names[index], clip.trajectory, clip.camera, clip.robot]
            writer.writerow([*facts, *scores, f"{bits:.10g}", f"{entropy_bits[index]:.6f}"])
    return stream.getvalue()


def _entropy_bits(report: Report, name: str) -> list[float]:
    """The ideal code length of each clip's tokens under the frequencies of the split, bits."""
    tokens = report.rows[name].tokens
    assert tokens is not None
    lengths_K = code_lengths(report.usage(name).counts, report.tokenizers[name].model.codebook_sizes)
    bits: list[float] = lengths_K[tokens.of_clips().long()].sum(dim=1).tolist()
    return bits


def _pictures(report: Report) -> Iterator[tuple[str, Frames]]:
    yield "psnr.png", psnr_histogram(report)
    yield "codebook.png", codebook_plot(report)
    for name, (best_file, worst_file) in picture_names(report).items():
        best, worst = extreme_windows(report, name)
        yield best_file, np.asarray(clip_strips(report, name, best))
        yield worst_file, np.asarray(clip_strips(report, name, worst))
