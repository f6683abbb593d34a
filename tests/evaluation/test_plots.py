"""Plots, judged by their pixels."""

import numpy as np
import pytest

from vqtool.evaluation import plots
from vqtool.evaluation.plots import Steps, plot_steps, round_ticks

BOTTOM = plots.HEIGHT - plots.BOTTOM
INSIDE = slice(plots.LEFT + 3, plots.WIDTH - plots.RIGHT - 1)


def filled_rows(picture: np.ndarray, x: int) -> int:
    """How many pixels of a column have the tint of the filled area."""
    tint = np.array([255 - (255 - part) * 0.35 for part in plots.COLOURS[0]])
    return int((np.abs(picture[:, x].astype(float) - tint).max(axis=1) < 6).sum())


def test_heights_are_to_scale() -> None:
    picture = plot_steps([Steps("a", np.arange(5.0), np.array([1.0, 4.0, 0.0, 2.0]))], "title", "x (dB)", "frames")
    assert picture.shape == (plots.HEIGHT, plots.WIDTH, 3)
    width = (plots.WIDTH - plots.LEFT - plots.RIGHT) / 4
    # A little off the middle of each step, where no grid line is.
    found = [filled_rows(picture, round(plots.LEFT + (step + 0.45) * width)) for step in range(4)]
    unit = (BOTTOM - plots.TOP) / (1.08 * 4)
    assert found == pytest.approx([unit, 4 * unit, 0, 2 * unit], abs=8)


def test_several_lines_differ_without_colour_and_have_a_legend() -> None:
    flat = [Steps(name, np.array([0.0, 10.0]), np.array([height])) for name, height in (("A", 3.0), ("B", 6.0))]
    picture = plot_steps(flat, "", "x", "y").min(axis=2)
    unit = (BOTTOM - plots.TOP) / (1.08 * 6)
    inked = [(picture[round(BOTTOM - height * unit), INSIDE] < 150).mean() for height in (3, 6)]
    assert inked[0] == 1
    assert 0.5 < inked[1] < 0.8
    legend = picture[: plots.TOP - 4, plots.WIDTH // 2 :]
    assert (legend < 120).any()
    alone = plot_steps(flat[:1], "", "x", "y").min(axis=2)
    assert (alone[: plots.TOP - 4, plots.WIDTH // 2 :] == 255).all()


def test_a_level_is_drawn_across() -> None:
    line = Steps("a", np.array([0.0, 10.0]), np.array([1.0]))
    picture = plot_steps([line], "", "x", "y", level=("even use", 4.0)).min(axis=2)
    row = round(BOTTOM - 4 * (BOTTOM - plots.TOP) / (1.08 * 4))
    assert 0.3 < (picture[row - 1 : row + 2, INSIDE].min(axis=0) < 150).mean() < 0.8


def test_nothing_counted_is_an_empty_plot() -> None:
    assert plot_steps([Steps("a", np.array([0.0, 1.0]), np.array([0.0]))], "", "x", "y").shape[2] == 3


@pytest.mark.parametrize(("low", "high"), [(0, 1), (12, 19), (0, 0.0007), (-3, 1024), (17.2, 17.9), (0, 5e9)])
def test_ticks_are_round_inside_and_few(low: float, high: float) -> None:
    ticks = np.array(round_ticks(low, high, 8))
    assert 2 <= len(ticks) <= 9
    assert ticks.min() >= low - 1e-9 * abs(low)
    assert ticks.max() <= high * (1 + 1e-9)
    step = ticks[1] - ticks[0]
    np.testing.assert_allclose(np.diff(ticks), step)
    assert float(f"{step:.6e}"[:8]) in (1, 2, 5)
