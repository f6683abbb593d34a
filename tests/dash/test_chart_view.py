import dataclasses

import numpy as np
import pytest

from vqtool.dash.columns import columns_of
from vqtool.dash.panels.chart_view import ChartView, Line, extent_of, lines_by_metric, translated
from vqtool.dash.store import MetricStore, Series

WHOLE = ChartView(extent=(1.0, 1001.0))


def series_of(steps: list[int], times: list[float]) -> Series:
    series = Series()
    series.append(np.array(steps), np.array(times), np.zeros(len(steps)))
    return series


def test_zoom_keeps_the_centre_where_it_is() -> None:
    view = WHOLE.zoomed(0.5, 251.0)
    assert view.window == pytest.approx((126.0, 626.0))
    closer = view.zoomed(0.5, 626.0)
    assert closer.window == pytest.approx((376.0, 626.0))
    assert WHOLE.zoomed(0.5).window == pytest.approx((251.0, 751.0))


def test_zooming_out_ends_at_the_whole_and_zooming_in_ends_somewhere() -> None:
    assert WHOLE.zoomed(0.5, 251.0).zoomed(8.0).window is None
    view = WHOLE
    for _ in range(200):
        view = view.zoomed(0.5, 500.0)
    low, high = view.shown
    assert low < high and low == pytest.approx(500.0, abs=0.01)


def test_logarithmic_zoom_is_even_in_powers_of_ten() -> None:
    view = dataclasses.replace(WHOLE, extent=(1.0, 10_000.0), wants_log_x=True).zoomed(0.5)
    assert view.window == pytest.approx((10.0, 1000.0))
    assert view.panned(0.5).window == pytest.approx((100.0, 10_000.0))
    assert not dataclasses.replace(view, x_kind="clock").log_x


def test_pan_ends_at_the_borders() -> None:
    view = WHOLE.zoomed(0.1, 501.0)
    assert view.panned(1.0).window == pytest.approx((551.0, 651.0))
    assert view.panned(-99.0).window == pytest.approx((1.0, 101.0))
    assert view.panned(99.0).window == pytest.approx((901.0, 1001.0))
    assert WHOLE.panned(1.0) == WHOLE


def test_window_is_moved_only_where_it_must_to_show_a_place() -> None:
    view = WHOLE.zoomed(0.1, 501.0)
    assert view.revealing(500.0) == view
    assert view.revealing(600.0).window == pytest.approx((500.0, 600.0))
    assert view.revealing(401.0).window == pytest.approx((401.0, 501.0))


def test_window_at_the_end_follows_a_growing_run_and_no_other_does() -> None:
    at_end, elsewhere = WHOLE.zoomed(0.1, 1001.0), WHOLE.zoomed(0.1, 501.0)
    assert at_end.stretched((1.0, 1101.0)).window == pytest.approx((1001.0, 1101.0))
    assert elsewhere.stretched((1.0, 1101.0)).window == elsewhere.window
    assert WHOLE.stretched((1.0, 5.0)).shown == (1.0, 5.0)


def test_extent_holds_all_lines_and_survives_unknown_times() -> None:
    lines = [
        Line(series_of([5, 10], [100.0, np.nan]), "train", started=90.0),
        Line(series_of([0, 7], [95, 300]), "val"),
    ]
    assert extent_of(lines, "step", False) == (0.0, 10.0)
    assert extent_of(lines, "step", True) == (5.0, 10.0)
    assert extent_of(lines, "clock", False) == (95.0, 300.0)
    assert extent_of(lines, "seconds", False) == (10.0, 300.0)
    assert extent_of([Line(series_of([3], [np.nan]), "train")], "step", False) == (3.0, 4.0)
    assert extent_of([], "clock", True) == (1.0, 2.0)


def test_places_go_from_one_axis_to_another_and_back() -> None:
    line = Line(series_of([0, 10, 20], [100.0, 110.0, 150.0]), "train", started=100.0)
    assert translated(15.0, line, "step", "seconds") == 30.0
    assert translated(30.0, line, "seconds", "step") == 15.0
    assert translated(5.0, line, "step", "clock") == 105.0
    assert translated(5.0, Line(series_of([1], [np.nan]), "train"), "step", "clock") is None


def test_cursor_goes_to_points_and_always_on() -> None:
    line = Line(series_of([0, 10, 20, 100], [0.0] * 4), "train")
    assert line.neighbour("step", 10.0, 11.0) == 20.0
    assert line.neighbour("step", 10.0, 90.0) == 100.0
    assert line.neighbour("step", 10.0, 9.0) == 0.0
    assert line.neighbour("step", 100.0, 200.0) == 100.0


def test_lines_are_by_run_and_training_comes_first() -> None:
    stores = []
    for number in range(2):
        store = MetricStore()
        for split in ("val", "extra", "train"):
            for columns in columns_of([{"step": 1, "time": 10.0 + number, "split": split, "a": 1.0}])[0]:
                store.append(columns)
        stores.append(store)
    lines = lines_by_metric(stores)["a"]
    found = [(line.run, line.split, line.started) for line in lines]
    order = ("train", "val", "extra")
    assert found == [(run, split, 10.0 + run) for run in range(2) for split in order]
