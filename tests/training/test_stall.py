"""A step that hangs is told of once, with the place where it hangs, while it hangs."""

import logging
import threading
import time

import pytest

from vqtool.training.stages import StagePlan
from vqtool.training.stall import FIRST_SECONDS, MIN_SECONDS, STALL_FACTOR, StallWatch


def told(watch: StallWatch, *seconds: float) -> list[tuple[float, str]]:
    """What is told of a step that has lasted for so long."""
    found: list[tuple[float, str]] = []
    watch._tell = lambda lasted, where: found.append((lasted, where))
    with watch.step():
        for passed in seconds:
            watch.check(time.monotonic() + passed)
    return found


def test_a_step_is_told_of_once_and_the_next_one_again(caplog: pytest.LogCaptureFixture) -> None:
    watch = StallWatch(lambda seconds, where: None)
    with watch.step():
        pass
    [(seconds, _)] = told(watch, MIN_SECONDS - 1, MIN_SECONDS + 1, MIN_SECONDS + 100)
    assert MIN_SECONDS < seconds < MIN_SECONDS + 5
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and "\n" not in warnings[0].getMessage()
    assert len(told(watch, MIN_SECONDS + 1)) == 1


def test_patience_follows_the_steps_and_is_long_before_the_first() -> None:
    watch = StallWatch(lambda seconds, where: None)
    assert not told(watch, FIRST_SECONDS - 1) and watch.patience_seconds == MIN_SECONDS
    watch._recent.extend([30.0] * 20)
    assert watch.patience_seconds == STALL_FACTOR * 30
    assert not told(watch, MIN_SECONDS + 1) and told(watch, STALL_FACTOR * 30 + 1)


def test_between_steps_nothing_hangs() -> None:
    watch = StallWatch(lambda seconds, where: pytest.fail("told of no step"))
    with watch.step():
        pass
    watch.check(time.monotonic() + 1e6)


def test_a_step_that_fails_is_over_and_says_nothing_of_how_long_steps_take() -> None:
    watch = StallWatch(lambda seconds, where: pytest.fail("told of no step"))
    with pytest.raises(ZeroDivisionError), watch.step():
        raise ZeroDivisionError
    watch.check(time.monotonic() + 1e6)
    assert watch.patience_seconds == FIRST_SECONDS


def test_the_thread_finds_where_the_step_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vqtool")
    for name, value in (("CHECK_SECONDS", 0.01), ("FIRST_SECONDS", 0.0)):
        monkeypatch.setattr(f"vqtool.training.stall.{name}", value)
    hanging, places = threading.Event(), []

    def tell(seconds: float, where: str) -> None:
        places.append(where)
        hanging.set()

    class Hangs:
        def __iter__(self) -> "Hangs":
            return self

        def __next__(self) -> object:
            assert hanging.wait(30)
            raise StopIteration

    with StallWatch(tell) as watch, watch.step():
        StagePlan(Hangs())  # type: ignore[arg-type]
    assert len(places) == 1 and "stages.py:" in places[0] and places[0].endswith("__init__")
    assert "hanging.wait(30)" in caplog.text and "stages.py" in caplog.text
    assert not watch._thread.is_alive()
