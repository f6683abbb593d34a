"""Which evaluation is the best so far, a metric at a time."""

from vqtool.training.best import BestScores


def test_each_metric_has_its_own_direction() -> None:
    best = BestScores()
    first = {"metric/psnr": 20.0, "metric/lpips": 0.5, "loss/total": 1.0, "loss/pixel": 0.1}
    assert best.update(first, 1) == ["psnr", "lpips", "loss"]
    assert best.update(first, 2) == []
    assert best.update({"metric/psnr": 21.0, "metric/lpips": 0.6, "loss/total": 0.9}, 3) == ["psnr", "loss"]
    assert best.update({"metric/psnr": 20.5, "metric/lpips": 0.4, "loss/total": float("nan")}, 4) == ["lpips"]
    assert best.state() == {"psnr": [21.0, 3], "lpips": [0.4, 4], "loss": [0.9, 3]}


def test_a_resumed_record_goes_on() -> None:
    best = BestScores()
    best.restore({"psnr": [21.0, 3]})
    assert best.update({"metric/psnr": 20.9}, 4) == []
    assert best.update({"metric/psnr": 21.1}, 5) == ["psnr"]
