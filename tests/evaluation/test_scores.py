"""Scores by row, group and difference, against means by hand."""

from dataclasses import replace

import numpy as np
import pytest

from vqtool.evaluation.evaluate import Evaluation
from vqtool.evaluation.scores import Difference, Score, differences, grouped, score_table

TRAJECTORIES = ["t0", "t0", "t1", "t1", "t2", "t3"]
ROBOTS = ["sawyer", "sawyer", "baxter", "baxter", "sawyer", "sawyer"]
PSNR = [10.0, 12.0, 20.0, 22.0, 30.0, 14.0]


def row(psnr: list[float], lpips: list[float], fvd: float = 100.0) -> Evaluation:
    return Evaluation(
        scores={"psnr": float(np.mean(psnr)), "lpips": float(np.mean(lpips)), "fvd": fvd},
        details={"fvd": {"low": fvd - 9, "high": fvd + 9, "floor": 3.0}},
        clip_scores={"psnr": psnr, "lpips": lpips},
        clip_names=[],
        num_frames=6,
        pixel_loss=0.0,
        quantizer_loss=0.0,
        quantizer_parts={},
        usage=None,
        seconds=1.0,
        reconstruct_seconds=0.5,
    )


ROWS = {
    "A": row(PSNR, [0.5] * 6),
    "B": row([value + 1 for value in PSNR], [0.6, 0.4, 0.7, 0.3, 0.5, 0.51], fvd=80.0),
}


def test_every_score_comes_with_its_interval() -> None:
    table = score_table(ROWS, TRAJECTORIES)
    assert list(table["A"]) == ["psnr", "lpips", "fvd"]
    assert table["A"]["psnr"].value == 18
    assert table["A"]["psnr"].low < 18 < table["A"]["psnr"].high
    assert table["A"]["fvd"].interval == (91, 109)
    assert table["A"]["lpips"].interval == (0.5, 0.5)


def test_a_set_metric_without_interval_has_none() -> None:
    bare = replace(ROWS["A"], details={})
    assert score_table({"A": bare}, TRAJECTORIES)["A"]["fvd"].interval is None


def test_groups_hold_their_own_clips() -> None:
    groups = grouped(ROWS, TRAJECTORIES, ROBOTS)
    assert list(groups) == ["baxter", "sawyer"]
    baxter, sawyer = groups["baxter"], groups["sawyer"]
    assert (baxter.num_clips, baxter.num_trajectories) == (2, 1)
    assert (sawyer.num_clips, sawyer.num_trajectories) == (4, 3)
    assert baxter.scores["A"]["psnr"].value == 21
    assert baxter.scores["A"]["psnr"].interval is None
    assert sawyer.scores["B"]["psnr"].value == (11 + 13 + 31 + 15) / 4
    assert sawyer.scores["B"]["psnr"].interval is not None
    assert "fvd" not in sawyer.scores["A"]


def test_differences_are_paired() -> None:
    psnr, lpips, fvd = differences("A", "B", ROWS, TRAJECTORIES)
    assert psnr.score.interval == pytest.approx((1, 1))
    assert psnr.verdict == "better"
    assert lpips.score.value == pytest.approx(0.01 / 6)
    assert lpips.verdict == "unclear"
    assert (fvd.score.value, fvd.score.interval, fvd.verdict) == (-20, None, "unclear")


@pytest.mark.parametrize(
    ("metric", "low", "high", "verdict"),
    [
        ("psnr", 0.1, 0.3, "better"),
        ("psnr", -0.3, -0.1, "worse"),
        ("lpips", 0.1, 0.3, "worse"),
        ("flicker", -0.3, -0.1, "better"),
        ("psnr", -0.1, 0.1, "unclear"),
        ("psnr", 0.0, 0.0, "unclear"),
    ],
)
def test_a_verdict_needs_an_interval_without_0(metric: str, low: float, high: float, verdict: str) -> None:
    assert Difference(metric, "A", "B", Score((low + high) / 2, low, high)).verdict == verdict
