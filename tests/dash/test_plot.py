from itertools import product

import numpy as np
import pytest

from vqtool.dash.plotting.braille import BLANK, Reduced, braille_codes, curve_dots, reduce_to_columns
from vqtool.dash.plotting.curve import Curve
from vqtool.dash.plotting.plot import ALARM, AXIS, FIRST_CURVE, Axes, Plot, draw_plot

STEPS = np.arange(50_000, dtype=np.float64)


def is_drawn(plot: Plot) -> np.ndarray:
    """Which cells hold curve dots or a marker."""
    return plot.roles >= FIRST_CURVE


def test_braille_cells_are_unicodes() -> None:
    dots = np.zeros((4, 8), np.bool_)
    dots[0, 0] = dots[3, 3] = True
    dots[:, 4:6] = True
    dots[:3, 6] = True
    assert "".join(map(chr, braille_codes(dots)[0])) == "⠁⢀⣿⠇"


def test_polyline_covers_every_point_and_leaves_no_gap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        column = np.unique(rng.integers(0, 40, 15))
        row = rng.integers(0, 24, len(column)).astype(np.float64)
        dots = curve_dots(Reduced(column, row, row, row, row), 24, 40)
        assert dots[row.astype(int), column].all()
        used = dots[:, column[0] : column[-1] + 1]
        assert used.any(axis=0).all()
        assert not dots[:, : column[0]].any() and not dots[:, column[-1] + 1 :].any()
        for left, right in zip(used.T[:-1], used.T[1:], strict=True):
            rows_left, rows_right = np.flatnonzero(left), np.flatnonzero(right)
            assert rows_left.min() <= rows_right.max() + 1 and rows_right.min() <= rows_left.max() + 1


def test_reduction_agrees_with_a_loop() -> None:
    rng = np.random.default_rng(1)
    x, y = np.sort(rng.random(1000)), rng.standard_normal(1000)
    edges = np.linspace(0.1, 0.9, 17)
    reduced = reduce_to_columns(x, y, edges)
    for place, column in enumerate(reduced.column):
        inside = y[np.searchsorted(edges, x, side="right") == column]
        expected = (inside[0], inside[-1], inside.min(), inside.max())
        found = (reduced.first, reduced.last, reduced.lowest, reduced.highest)
        assert tuple(part[place] for part in found) == expected


@pytest.mark.parametrize("decay", [0.0, 0.99])
@pytest.mark.parametrize(("width", "height"), [(120, 30), (38, 7), (10, 3), (2, 2)])
def test_single_spike_among_many_points_is_drawn(width: int, height: int, decay: float) -> None:
    values = np.zeros(len(STEPS))
    flat = draw_plot([Curve(STEPS, values, decay=decay)], width, height, Axes())
    values[31_234] = 1.0
    spiked = draw_plot([Curve(STEPS, values, decay=decay)], width, height, Axes())
    top = is_drawn(spiked)[0]
    assert top.sum() == 1
    assert flat.codes.shape == spiked.codes.shape == (height, width)
    left = width - spiked.codes.shape[1] + np.flatnonzero(top)[0]
    assert 0.4 < left / width < 0.8


def test_not_a_number_is_marked_and_the_rest_is_drawn() -> None:
    values = np.linspace(1, 0, 100)
    values[50] = np.nan
    values[70] = np.inf
    plot = draw_plot([Curve(STEPS[:100], values)], 60, 10, Axes())
    assert (plot.roles == ALARM).sum() == 2
    assert "".join(plot.rows()).count("×") == 2
    assert is_drawn(plot).sum() > 40


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        [],
        [np.nan],
        [np.nan, np.inf, -np.inf],
        [0.0],
        [-1.0, -2.0],
        [1e308, -1e308, 0.0],
        [5e-324, 1e308],
        [1e-300, 2e-300],
        [7.0, 7.0, 7.0],
    ],
)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3), (21, 4), (80, 20)])
def test_extremes_never_fail(values: list[float], log_y: bool, width: int, height: int) -> None:
    curve = Curve(STEPS[: len(values)], np.array(values), decay=0.9)
    for kind, x_range, log_x in product(("step", "seconds", "clock"), (None, (0.5, 1.5), (7.0, 9.0)), (False, True)):
        axes = Axes(kind, log_y, log_x, clip_outliers=log_x, x_range=x_range, marks=[0.0, 1e9])
        plot = draw_plot([curve, curve], width, height, axes)
        assert plot.codes.shape == plot.roles.shape == (height, width)
        assert all(len(row) == width for row in plot.rows())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "x", [[-1e308, 0.0, 1e308], [np.nan, 1.0, np.inf], [5.0, 5.0, 5.0], [1e15, 1e15 + 1, 1e15 + 2]]
)
def test_odd_times_never_fail(x: list[float]) -> None:
    for kind, log_x in product(("seconds", "clock"), (False, True)):
        axes = Axes(kind, log_x=log_x, marks=[1e308, np.nan])
        assert draw_plot([Curve(np.array(x), np.array([1.0, np.nan, 3.0]))], 40, 9, axes).codes.shape == (9, 40)


def test_zero_size_is_one_cell() -> None:
    assert draw_plot([Curve(STEPS, STEPS)], 0, 0, Axes()).codes.shape == (1, 1)


def test_lone_point_is_a_marker_of_its_own() -> None:
    plot = draw_plot([Curve(np.array([5.0]), np.array([1.0]), marker="◆")], 40, 9, Axes())
    assert "".join(plot.rows()).count("◆") == 1
    assert any("5" in row for row in plot.rows()[-1:])


def test_constant_curve_is_a_level_line() -> None:
    plot = draw_plot([Curve(STEPS[:50], np.full(50, 3.0))], 40, 9, Axes())
    assert is_drawn(plot).any(axis=1).sum() == 1
    assert any(row.lstrip().startswith("3.0┤") for row in plot.rows())


def test_few_points_of_a_dotted_curve_have_markers() -> None:
    x = np.array([0.0, 10, 20])
    plot = draw_plot([Curve(x, x, marker="◆", dotted=True)], 40, 9, Axes())
    assert "".join(plot.rows()).count("◆") == 3
    many = draw_plot([Curve(STEPS[:100], STEPS[:100], marker="◆", dotted=True)], 40, 9, Axes())
    assert "◆" not in "".join(many.rows())


def test_log_axis_hides_and_counts_what_is_not_positive() -> None:
    values = np.array([100.0, 0.0, 1.0, -5.0, 0.01])
    plot = draw_plot([Curve(STEPS[:5], values)], 40, 12, Axes(log_y=True))
    assert plot.hidden == 2
    labels = [row.split("┤")[0].strip() for row in plot.rows() if "┤" in row]
    assert labels[0] == "100" and labels[-1] == "0.01"


def test_log_axis_places_decades_evenly() -> None:
    plot = draw_plot([Curve(STEPS[:5], 10.0 ** np.arange(5))], 60, 22, Axes(log_y=True))
    rows = [index for index, row in enumerate(plot.rows()) if "┤" in row]
    assert len(rows) == 5
    assert np.ptp(np.diff(rows)) <= 1


def test_later_curves_and_smoothing_are_on_top_in_their_own_role() -> None:
    noise = np.random.default_rng(0).standard_normal(5000)
    plot = draw_plot([Curve(STEPS[:5000], noise, decay=0.99)], 60, 12, Axes())
    assert set(np.unique(plot.roles[is_drawn(plot)])) == {FIRST_CURVE, FIRST_CURVE + 1}
    both = draw_plot([Curve(STEPS[:50], np.ones(50)), Curve(STEPS[:50], np.ones(50))], 60, 12, Axes())
    assert set(np.unique(both.roles[is_drawn(both)])) == {FIRST_CURVE + 2}


def test_marks_are_vertical_lines_behind_the_curves() -> None:
    plot = draw_plot([Curve(STEPS[:101], np.zeros(101))], 51, 9, Axes(marks=[50.0, 5000.0]))
    column = [index for index in range(51) if (plot.codes[:-1, index] == ord("┊")).sum() > 5]
    assert len(column) == 1
    assert (plot.roles[:-1, column[0]] >= FIRST_CURVE).sum() == 1
    assert (plot.roles[:-1, column[0]] == AXIS).sum() == 7


def test_blank_braille_is_never_written() -> None:
    plot = draw_plot([Curve(STEPS, np.sin(STEPS / 5000))], 80, 20, Axes())
    assert not (plot.codes == BLANK).any()


def test_part_of_the_axis_is_drawn_as_if_nothing_else_were_there_but_the_lines_that_lead_out() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(1000)
    part = draw_plot([Curve(STEPS[:1000], values)], 60, 12, Axes(x_range=(200.0, 300.0)))
    alone = draw_plot([Curve(STEPS[200:301], values[200:301])], 60, 12, Axes())
    assert part.rows() == alone.rows()
    sparse = Curve(np.array([0.0, 100.0]), np.array([0.0, 1.0]))
    between = draw_plot([sparse], 60, 12, Axes(x_range=(40.0, 60.0)))
    assert is_drawn(between)[:, between.left :].any(axis=0).all()
    labels = [float(row.split("┤")[0]) for row in between.rows() if "┤" in row]
    assert 0.4 <= min(labels) <= max(labels) <= 0.6


def test_missing_and_hidden_values_outside_the_picture_are_not_told() -> None:
    values = np.ones(100)
    values[[10, 60]] = np.nan
    values[[20, 70, 71]] = -1.0
    plot = draw_plot([Curve(STEPS[:100], values)], 60, 12, Axes(log_y=True, x_range=(50.0, 80.0)))
    assert plot.hidden == 2 and "".join(plot.rows()).count("×") == 1


def test_outliers_leave_the_picture_marked_and_counted() -> None:
    values = np.sin(STEPS[:500] / 20)
    values[[100, 300]], values[400] = 1e6, -1e6
    curve = Curve(STEPS[:500], values)
    plain = draw_plot([curve], 60, 12, Axes())
    clipped = draw_plot([curve], 60, 12, Axes(clip_outliers=True))
    assert (plain.clipped, clipped.clipped) == (0, 3)
    rows = clipped.rows()
    assert rows[0].count("▲") == 2 and rows[clipped.num_rows - 1].count("▼") == 1
    assert all(abs(float(row.split("┤")[0])) <= 5 for row in rows if "┤" in row)
    calm = draw_plot([Curve(STEPS[:500], np.sin(STEPS[:500]))], 60, 12, Axes(clip_outliers=True))
    assert calm.clipped == 0


def test_log_x_places_decades_evenly_and_starts_at_the_first_positive_step() -> None:
    steps = np.array([0.0, 1, 10, 100, 1000, 10_000])
    plot = draw_plot([Curve(steps, steps, marker="◆", dotted=True)], 81, 12, Axes(log_x=True))
    columns = sorted({int(column) for column in np.argwhere(plot.codes[: plot.num_rows] == ord("◆"))[:, 1]})
    assert len(columns) == 5 and np.ptp(np.diff(columns)) <= 1
    assert plot.rows()[-1].split() == ["1", "10", "100", "1000", "10k"]


@pytest.mark.parametrize("log_x", [False, True])
def test_places_of_columns_and_columns_of_places_agree(log_x: bool) -> None:
    plot = draw_plot([Curve(STEPS[1:1000], STEPS[1:1000])], 50, 12, Axes(log_x=log_x, x_range=(10.0, 500.0)))
    for column in range(plot.left, 50):
        assert plot.column_of(plot.x_at(column)) == column
    assert plot.column_of(9.0) is None and plot.column_of(501.0) is None and plot.column_of(-1.0) is None
    assert plot.x_at(0) == pytest.approx(10.0) and plot.x_at(1e9) == pytest.approx(500.0)


def test_label_stands_at_the_last_point_seen() -> None:
    curve = Curve(STEPS[:101], STEPS[:101], label="B")
    whole, part = draw_plot([curve], 50, 12, Axes()), draw_plot([curve], 50, 12, Axes(x_range=(0.0, 50.0)))
    assert np.argwhere(whole.codes == ord("B")).tolist() == [[0, 49]]
    assert np.argwhere(part.codes == ord("B")).tolist() == [[0, 49]]


def test_value_of_the_nearest_point() -> None:
    curve = Curve(np.array([0.0, 10.0, 20.0, np.nan]), np.array([1.0, np.nan, 3.0, 4.0]))
    assert [curve.y_at(x) for x in (-5.0, 4.9, 16.0, 1e9)] == [1.0, 1.0, 3.0, 3.0]
    assert np.isnan(curve.y_at(9.0)) and np.isnan(Curve(STEPS[:0], STEPS[:0]).y_at(1.0))


def test_part_of_the_y_axis_is_what_lies_in_it() -> None:
    whole = draw_plot([Curve(STEPS[:101], STEPS[:101])], 51, 9, Axes())
    part = draw_plot([Curve(STEPS[:101], STEPS[:101])], 51, 9, Axes(y_range=(40.0, 60.0)))
    assert part.y_range == (40.0, 60.0) and part.clipped == 0
    columns = np.flatnonzero((part.roles[: part.num_rows, part.left :] >= FIRST_CURVE).any(axis=0)) + part.left
    assert part.column_of(40.0) - 1 <= columns[0] and columns[-1] <= part.column_of(60.0) + 1
    assert len(columns) < 0.3 * np.flatnonzero((whole.roles >= FIRST_CURVE).any(axis=0)).size
    away = draw_plot([Curve(STEPS[:101], STEPS[:101])], 51, 9, Axes(y_range=(1e3, 2e3), clip_outliers=True))
    assert not (away.roles >= FIRST_CURVE).any() and away.clipped == 0
