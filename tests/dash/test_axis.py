import math
import time
from datetime import datetime

import numpy as np
import pytest

from vqtool.dash.plotting.axis import clock_ticks, linear_ticks, log_ticks, tick_labels, time_ticks


@pytest.mark.parametrize("max_ticks", [1, 2, 3, 5, 10])
def test_linear_ticks_are_round_inside_and_not_too_many(max_ticks: int) -> None:
    rng = np.random.default_rng(max_ticks)
    for _ in range(300):
        low = float(rng.normal() * 10.0 ** rng.integers(-8, 8))
        high = low + abs(low) * float(rng.random() + 1e-3) * 10.0 ** int(rng.integers(-4, 8))
        ticks = linear_ticks(low, high, max_ticks)
        assert 1 <= len(ticks) <= max_ticks
        assert np.all((ticks >= low - 1e-6 * (high - low)) & (ticks <= high + 1e-6 * (high - low)))
        if len(ticks) > 1:
            step = float(np.diff(ticks).min())
            mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
            assert min(abs(mantissa - round_one) for round_one in (1, 2, 5, 10)) < 1e-3


def test_known_ticks() -> None:
    assert linear_ticks(1, 172, 3).tolist() == [50, 100, 150]
    assert linear_ticks(0, 1, 6) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert log_ticks(0.002, 150, 10) == pytest.approx([0.01, 0.1, 1, 10, 100])
    assert log_ticks(2, 9, 5) == pytest.approx([2, 3, 5])


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0, 0.5, 1], ["0.0", "0.5", "1.0"]),
        ([0, 10000, 20000], ["0", "10k", "20k"]),
        ([0, 500000, 1000000], ["0", "0.5M", "1.0M"]),
        ([0, 0.0002, 0.0004], ["0", "0.0002", "0.0004"]),
        ([0.001, 0.01, 0.1], ["0.001", "0.01", "0.1"]),
        ([0.501, 0.502], ["0.501", "0.502"]),
        ([3.0], ["3"]),
    ],
)
def test_labels(ticks: list[float], labels: list[str]) -> None:
    assert tick_labels(np.array(ticks)) == labels


def test_time_ticks_choose_their_unit() -> None:
    assert time_ticks(0, 90, 3)[1] == ["0s", "50s"]
    assert time_ticks(0, 3600, 3)[1] == ["0m", "50m"]
    ticks, labels = time_ticks(0, 10 * 3600, 6)
    assert labels == ["0h", "2h", "4h", "6h", "8h", "10h"]
    assert ticks[1] == 7200


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (50.0, ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50"]),
        (3000.0, ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50"]),
        (86400.0, ["12:00", "18:00", "Nov 15", "06:00", "12:00"]),
        (5 * 86400.0, ["Nov 15", "Nov 16", "Nov 17", "Nov 18", "Nov 19"]),
    ],
)
def test_times_of_day_are_round_in_local_time(
    length: float, labels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    noon = datetime(2023, 11, 14, 12).timestamp()
    try:
        assert noon % 3600 == 1800, "half an hour beside the full hours of UTC"
        assert clock_ticks(noon, noon + length, 6)[1] == labels
    finally:
        monkeypatch.undo()
        time.tzset()


def test_absurd_times_of_day_are_numbers() -> None:
    ticks, labels = clock_ticks(0.0, 1e300, 4)
    assert len(ticks) == len(labels) > 0
