import numpy as np

from vqtool.dash.panels.codebook import ages, revival_marks, step_axis
from vqtool.dash.plotting.heat import heat_colours
from vqtool.dash.usage import EVEN_LEVEL, MAX_EVALUATIONS, chosen_steps, history_of, usage_levels


def history(*rows: list[int]):
    """Evaluations at steps 100, 200, ... with these counts."""
    return history_of({100 * (number + 1): usage_levels(np.array(row)) for number, row in enumerate(rows)})


def test_levels_are_octaves_around_even_use() -> None:
    levels = usage_levels(np.array([4, 8, 2, 0, 4, 4, 4, 6])).astype(int)
    assert levels[3] == 0 and levels[0] == EVEN_LEVEL
    assert levels[1] - EVEN_LEVEL == EVEN_LEVEL - levels[2] == 18
    assert usage_levels(np.array([1, 10**9])).min() >= 1 and usage_levels(np.array([1, 10**9])).max() <= 255
    assert usage_levels(np.zeros(3, int)).tolist() == [0, 0, 0]


def test_dead_codes_have_ages() -> None:
    found = history([1, 1, 0, 1, 5], [0, 1, 0, 1, 5], [0, 0, 0, 1, 5])
    assert found.dead_since() == {None: 1, 100: 1, 200: 1}
    assert ages(found) == ["revived 0  dead codes: 1 never used, 1 for 200 steps, 1 for 100 steps"]
    many = history(*([1] * (6 - number) + [0] * number for number in range(6)))
    assert ages(many) == ["revived 0  dead codes: 1 for 500 steps, 1 for 400 steps, 1 for 300 steps, 2 for less"]
    assert history([1, 1], [2, 3]).dead_since() == {}
    assert ages(history([1, 1], [2, 3])) == ["revived 0  dead codes: none"]
    assert ages(history([1])) == [] and history_of({}).dead_since() == {}


def test_revivals_are_codes_that_the_evaluation_before_did_not_use() -> None:
    found = history([1, 0, 0, 1], [1, 1, 1, 0], [1, 1, 0, 1], [1, 1, 1, 1])
    assert found.revived.tolist() == [0, 2, 1, 1]
    assert revival_marks(found, 40).split() == ["↑2", "↑1", "↑1"]
    assert [revival_marks(found, 40).index(mark) for mark in ("↑2", "↑1")] == [15, 25]
    assert len(revival_marks(found, 3)) == 3


def test_evaluations_of_another_codebook_are_left_out() -> None:
    levels = {100: usage_levels(np.ones(4, int)), 200: usage_levels(np.ones(8, int))}
    assert history_of(levels).steps == (200,)


def test_the_map_means_over_neighbours_and_repeats_where_there_is_room() -> None:
    found = history([4, 4, 0, 0], [4, 4, 4, 4])
    image = found.image(2, 4, ranked=False)
    even = usage_levels(np.array([4, 4, 0, 0]))[0]
    assert image.tolist() == [[even, even, EVEN_LEVEL, EVEN_LEVEL], [0, 0, EVEN_LEVEL, EVEN_LEVEL]]
    assert history([0, 4, 0, 4], [4, 4, 0, 0]).image(2, 2, ranked=True).tolist() == [[even, even], [0, 0]]
    assert found.part(2, 4).image(2, 2, ranked=False)[:, 0].tolist() == [0, 0]
    long = history(*([[1, 0]] * 10))
    assert long.image(2, 3, ranked=False).shape == (2, 3)


def test_colours_get_brighter_with_use() -> None:
    luma = heat_colours(np.arange(256.0)[None]) @ np.array([0.299, 0.587, 0.114])
    assert luma[0, 0] == 0 and (np.diff(luma[0]) > -0.5).all() and luma[0, 255] > 240


def test_a_long_run_is_looked_at_evenly() -> None:
    steps = list(range(0, 100_000, 10))
    chosen = chosen_steps(steps)
    assert len(chosen) == MAX_EVALUATIONS and chosen[0] == 0 and chosen[-1] == steps[-1]
    assert max(np.diff(chosen)) <= 2 * min(np.diff(chosen))
    assert chosen_steps(steps[:5]) == steps[:5]


def test_axis_labels_stand_below_their_evaluations_and_apart() -> None:
    assert step_axis([100, 200, 300], 30).split() == ["100", "200", "300"]
    assert step_axis([100, 200, 300], 8).split() == ["100", "300"]
    assert step_axis([100_000, 200_000], 7) == "200,000"
    assert step_axis([100_000], 3) == "   "
