"""Reports on published checkpoints: what they hold, and that a folder with report.json has all of it."""

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from vqtool.core.checkpoint import STATE_FILE, load_config_of
from vqtool.data.store import FrameStore
from vqtool.errors import ConfigError, DataError, VqtoolError
from vqtool.evaluation import report_page as page_module
from vqtool.evaluation import write_report as writing
from vqtool.evaluation.report import Report, common_store, evaluate_checkpoints
from vqtool.evaluation.report_page import report_page
from vqtool.evaluation.report_pictures import extreme_windows
from vqtool.evaluation.report_record import report_record
from vqtool.evaluation.write_report import check_folder, scores_csv, write_report

CLIP_METRICS = ["psnr", "ssim", "flicker", "psnr_moving", "psnr_static"]


def rows_of(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(scores_csv(report))))


def test_a_checkpoint_without_training_state_is_evaluated(report: Report) -> None:
    assert not (report.tokenizers["model"].checkpoint / STATE_FILE).exists()
    assert list(report.rows) == ["model", "mean frame", "copy previous"]
    assert list(report.first.scores) == CLIP_METRICS


def test_the_record_keeps_the_names_that_scripts_read(report: Report) -> None:
    record = json.loads(json.dumps(report_record(report), allow_nan=False))
    assert record["scores"]["model"] == report.first.scores
    assert (record["split"], record["clips"], record["frames"]) == (
        "train",
        len(report.windows),
        len(report.windows) * 4,
    )
    assert (record["tokens_per_frame"], record["bits_per_frame"]) == (16, 16 * 4)
    assert record["bits_per_pixel"] == 16 * 4 / 32**2
    codebook = record["codebook"]
    assert codebook["used"] + codebook["dead"] == codebook["size"] == 16
    assert record["entropy_bits_per_frame"] == pytest.approx(16 * math.log2(codebook["perplexity"]))
    assert record["checkpoint"] == str(report.tokenizers["model"].checkpoint)
    assert record["frames_per_second"] < record["model_frames_per_second"]
    low, high = record["intervals"]["copy previous"]["psnr"]
    assert low < record["scores"]["copy previous"]["psnr"] < high


def test_groups_cover_every_clip_once(report: Report) -> None:
    for kind in ("robot", "camera"):
        groups = report_record(report)["breakdown"][kind]
        assert sum(group["clips"] for group in groups.values()) == len(report.windows)
        parts = [group["clips"] * group["scores"]["model"]["psnr"] for group in groups.values()]
        assert sum(parts) / len(report.windows) == pytest.approx(report.first.scores["psnr"])
    assert set(report.groups["robot"]) == {clip.robot for clip in report.clips}


def test_the_csv_has_a_row_a_clip_that_adds_up(report: Report) -> None:
    rows = rows_of(report)
    assert [row["clip"] for row in rows] == report.first.clip_names
    for metric in CLIP_METRICS:
        assert np.mean([float(row[metric]) for row in rows]) == pytest.approx(report.first.scores[metric])
    assert {row["bits"] for row in rows} == {str(4 * 16 * 4)}
    entropy = report.usage("model").entropy_bits
    assert np.mean([float(row["entropy_bits"]) for row in rows]) == pytest.approx(4 * 16 * entropy, abs=1e-4)
    assert {(row["trajectory"], row["robot"]) for row in rows} == {(c.trajectory, c.robot) for c in report.clips}


def test_entropy_bits_of_a_clip_by_hand(report: Report) -> None:
    assert report.first.tokens is not None
    tokens = report.first.tokens.frames_BTHW
    counts = torch.bincount(tokens.flatten().long(), minlength=16).tolist()
    expected = sum(-math.log2(counts[token] / sum(counts)) for token in tokens[2].flatten().tolist())
    assert float(rows_of(report)[2]["entropy_bits"]) == pytest.approx(expected, abs=1e-5)


def test_several_codes_a_position_cost_the_bits_of_each(
    publish: Callable[..., Path], evaluated: Callable[..., Report]
) -> None:
    """Three levels of 8 codes: which level a token is from costs nothing, fixed or by entropy."""
    levels = "model.quantizer={kind='residual', num_levels=3, of={kind='simvq', codebook_size=8, code_dim=4}}"
    report = evaluated(publish(0, levels))
    facts = report_record(report)
    assert (facts["tokens_per_frame"], facts["bits_per_frame"], facts["codebook"]["size"]) == (48, 48 * 3, 24)
    assert report.first.tokens is not None
    tokens = report.first.tokens.frames_BTHW
    entropies = []
    for level in tokens.view(*tokens.shape[:2], 3, -1).unbind(2):
        shares = torch.bincount(level.flatten().long(), minlength=24).double() / level.numel()
        entropies.append(float(-(shares[shares > 0] * shares[shares > 0].log2()).sum()))
    assert facts["entropy_bits_per_frame"] == pytest.approx(16 * sum(entropies))
    rows = rows_of(report)
    assert np.mean([float(row["entropy_bits"]) for row in rows]) == pytest.approx(4 * 16 * sum(entropies), abs=1e-4)
    assert {row["bits"] for row in rows} == {str(4 * 48 * 3)}


def test_best_and_worst_are_by_psnr(report: Report) -> None:
    best, worst = extreme_windows(report, "model", num_clips=2)
    scores = report.first.clip_scores["psnr"]
    assert [scores[i] for i in best] == sorted(scores, reverse=True)[:2]
    assert [scores[i] for i in worst] == sorted(scores)[:2]


def test_a_folder_holds_a_page_its_pictures_and_the_record(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.json", "report.md", "scores.csv", "psnr.png", "codebook.png", "best.png", "worst.png"}
    page = (tmp_path / "report.md").read_text()
    for name in names:
        if name.endswith(".png"):
            assert f"({name})" in page
            assert np.ptp(iio.imread(tmp_path / name)) > 100
    assert f"{report.first.scores['psnr']:.2f} [" in page
    # The tables are whole: as many cells in every line of a table as in its head.
    blocks = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 4
    assert all(len({line.count(" | ") for line in block}) == 1 for block in blocks)


def test_report_json_is_there_only_when_all_else_is(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(report, tmp_path)

    def full(report: Report) -> str:
        raise VqtoolError("no space left")

    monkeypatch.setattr(writing, "report_page", full)
    with pytest.raises(VqtoolError):
        write_report(report, tmp_path)
    assert not (tmp_path / "report.json").exists()


def test_names_from_files_cannot_break_the_page(report: Report) -> None:
    clips = [replace(clip, robot="x|y\n# <b>`\x1b[2J") for clip in report.clips]
    evil = replace(report)
    evil.__dict__["clips"] = clips
    page = report_page(evil)
    assert "x\\|y" in page
    assert "\n# <b>" not in page
    assert "\x1b" not in page


def test_single_frames_have_no_baselines_and_no_flicker(
    publish: Callable[..., Path], evaluated: Callable[..., Report], tmp_path: Path
) -> None:
    single = evaluated(publish(0, "eval.clip_frames=1", "eval.batch_size=64"))
    assert list(single.rows) == ["model"]
    assert list(single.first.scores) == ["psnr", "ssim"]
    assert single.first.num_frames == len(single.windows)
    write_report(single, tmp_path)
    assert "The 4 clips with the lowest PSNR." in (tmp_path / "report.md").read_text()
    assert (tmp_path / "report.json").is_file()


def test_two_checkpoints_are_compared_clip_by_clip(comparison: Report, tmp_path: Path) -> None:
    assert list(comparison.rows) == ["A", "B", "mean frame", "copy previous"]
    record = report_record(comparison)
    by_metric = {entry["metric"]: entry for entry in record["differences"]}
    assert list(by_metric) == CLIP_METRICS
    a, b = (np.array(comparison.rows[name].clip_scores["psnr"]) for name in "AB")
    assert by_metric["psnr"]["difference"] == pytest.approx((b - a).mean())
    low, high = by_metric["psnr"]["interval"]
    assert low <= (b - a).mean() <= high
    assert set(record["models"]) == {"A", "B"}
    assert "checkpoint" not in record
    assert [row["model"] for row in rows_of(comparison)] == ["A"] * len(a) + ["B"] * len(b)
    write_report(comparison, tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "| B - A | PSNR dB ↑ |" in page
    assert (tmp_path / "worst-B.png").is_file()


def test_a_checkpoint_beside_itself_shows_no_difference(
    publish: Callable[..., Path], evaluated: Callable[..., Report]
) -> None:
    folder = publish(2)
    for entry in evaluated(folder, folder).differences:
        assert (entry.score.value, entry.score.interval, entry.verdict) == (0, (0, 0), "unclear")


def test_checkpoints_that_cannot_be_compared_are_refused(publish: Callable[..., Path], small_store: Path) -> None:
    here, larger, elsewhere = publish(0), publish(0, "model.resolution=64"), publish(0, "data.store=elsewhere")
    checkpoints = [(folder, load_config_of(folder)) for folder in (here, larger, elsewhere)]
    with pytest.raises(ConfigError, match="take frames of 32 and 64 pixels"):
        evaluate_checkpoints(checkpoints[:2], FrameStore.open(small_store), "train", torch.device("cpu"))
    with pytest.raises(ConfigError, match=r"different stores .*elsewhere.*--data"):
        common_store(checkpoints)
    assert common_store(checkpoints[:2]) == small_store
    with pytest.raises(ConfigError, match="at most 26"):
        evaluate_checkpoints(checkpoints[:1] * 27, FrameStore.open(small_store), "train", torch.device("cpu"))


def test_a_folder_that_is_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is a file: give a folder"):
        check_folder(tmp_path / "file")
    check_folder(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()


def test_the_page_explains_itself(report: Report) -> None:
    assert page_module.METHOD in report_page(report)
    assert "bootstrap over 4 trajectories; so few make them too narrow" in report_page(report)
