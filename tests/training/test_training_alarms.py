"""Faults are told once, when they begin; ordinary training is left in peace."""

import numpy as np

from vqtool.training.alarms import STARVED_LINES, AlarmWatch


def line(**changes: float) -> dict[str, float]:
    usual = {"loss/total": 0.2, "loss/commitment": 0.01, "speed/data_wait_fraction": 0.01, "codebook/used": 900.0}
    return usual | {name.replace("__", "/"): value for name, value in changes.items()}


def kinds(watch: AlarmWatch, seconds: float = 0.1, quantized: bool = True, **changes: float) -> list[str]:
    return [alarm.kind for alarm in watch.update(line(**changes), seconds, quantized)]


def warmed_up(num_lines: int = 30) -> AlarmWatch:
    watch = AlarmWatch(1024)
    assert all(kinds(watch) == [] for _ in range(num_lines))
    return watch


def test_noisy_falling_losses_raise_nothing() -> None:
    watch, rng = AlarmWatch(1024), np.random.default_rng(0)
    for step in range(500):
        noise = float(rng.uniform(0.7, 1.4))
        changes = {"loss__total": noise * (0.1 + np.exp(-step / 50)), "loss__commitment": noise * 0.01}
        assert kinds(watch, seconds=noise * 0.1, **changes) == []


def test_motion_that_is_no_better_than_the_still_context_is_told() -> None:
    scores = {"metric/psnr_moving": 15.0, "metric/psnr_moving_context": 14.9}
    watch = AlarmWatch(1024)
    assert watch.judge(scores) is None
    assert watch.judge({"metric/psnr_moving": 15.0}) is None
    alarm = watch.judge(scores | {"metric/psnr_moving": 14.9})
    assert alarm is not None
    assert (alarm.kind, alarm.evidence) == ("still", "moving pixels 14.90 dB, the context alone has 14.90 dB")


def test_each_fault_is_told_with_its_numbers_once_until_it_is_over() -> None:
    for kind, change in [
        ("spike", {"loss__total": 0.7}),
        ("commitment", {"loss__commitment": 0.11}),
        ("collapse", {"codebook__used": 51.0}),
    ]:
        watch = warmed_up()
        assert kinds(watch, **change) == [kind]
        assert kinds(watch, **change) == []
        assert kinds(watch) == []
        assert kinds(watch, **change) == [kind]


def test_a_part_that_joins_the_loss_is_no_spike() -> None:
    watch = warmed_up()
    joined = {"loss__total": 1.4, "loss__perceptual": 0.6}
    assert all(kinds(watch, **joined) == [] for _ in range(30))
    assert kinds(watch, **joined | {"loss__total": 5.0}) == ["spike"]


def test_just_below_the_bounds_nothing_is_told() -> None:
    almost = {"loss__total": 0.59, "loss__commitment": 0.099, "codebook__used": 52.0}
    assert kinds(warmed_up(), seconds=9.9, **almost) == []


def test_a_step_far_longer_than_usual_is_a_stall() -> None:
    watch = warmed_up()
    (alarm,) = watch.update(line(), 25.0, True)
    assert alarm.kind == "stall" and "25 s" in alarm.evidence and "0.1 s" in alarm.evidence


def test_waiting_for_data_counts_only_when_it_lasts() -> None:
    watch = warmed_up()
    told = [kinds(watch, speed__data_wait_fraction=0.6) for _ in range(STARVED_LINES)]
    assert told == [[]] * (STARVED_LINES - 1) + [["starvation"]]
    assert kinds(watch) == []
    assert kinds(watch, speed__data_wait_fraction=0.6) == []


def test_before_quantization_few_used_codes_are_no_collapse() -> None:
    assert kinds(warmed_up(), quantized=False, codebook__used=0.0, loss__commitment=0.0) == []


def test_the_first_lines_have_nothing_to_compare_with() -> None:
    watch = warmed_up(num_lines=5)
    assert kinds(watch, loss__total=100.0, codebook__used=1.0) == []
