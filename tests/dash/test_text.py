import math

import pytest

from vqtool.dash.text import duration, percent, short_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.123456, "0.1235"),
        (-12.3456, "-12.35"),
        (1234.0, "1234"),
        (12345.0, "12.35k"),
        (2.5e6, "2500k"),
        (2.5e7, "25M"),
        (0.00005, "5e-05"),
        (1e300, "1e+300"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_short_number(value: float | None, text: str) -> None:
    assert short_number(value) == text


def test_percent_is_not_all_before_it_is() -> None:
    assert [percent(share) for share in (0, 0.999, 1, 0.5, 1.2)] == ["0%", "99%", "100%", "50%", "100%"]


def test_duration() -> None:
    seconds = (None, math.inf, -3, 59.9, 60, 3599, 3600, 86400 * 3 + 4 * 3600)
    assert [duration(value) for value in seconds] == ["–", "–", "0s", "59s", "1m 00s", "59m 59s", "1h 00m", "3d 04h"]
