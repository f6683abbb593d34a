"""Events as marks on the charts."""

import numpy as np
import pytest

from vqtool.dash.marks import marks_of, names_of, signs_of
from vqtool.dash.plotting.curve import Curve
from vqtool.dash.plotting.plot import ALARM, FIRST_CURVE, MARK, Axes, draw_plot
from vqtool.dash.plotting.signs import NO_SIGNS

STEPS = np.arange(101.0)


def event(kind: str, step: object = 50, **facts: object) -> dict[str, object]:
    return {"step": step, "time": 1000.0 + 10, "kind": kind, **facts}


EVENTS = [
    event("checkpoint", path="step-00000050"),
    event("alarm", 20, alarm="non-finite"),
    event("alarm", 80, alarm="spike\x1b[31m"),
    event("stage", 60, stage="quantized"),
    event("revive", 70, codes=3),
    event("preview", 10),
    event("evaluation", None),
    event("evaluation", 90) | {"time": "never"},
]


def test_known_events_become_marks_the_weightiest_last() -> None:
    marks = marks_of(EVENTS)
    assert [(mark.sign, mark.step) for mark in marks] == [("c", 50), ("↑", 70), ("»", 60), ("×", 20), ("!", 80)]
    assert names_of(marks) == "alarm spike�[31m + alarm non-finite + stage quantized + revive + more"
    assert names_of(marks_of([event("checkpoint"), event("checkpoint", 51)])) == "2 x checkpoint"
    assert names_of(()) == ""


@pytest.mark.parametrize(("kind", "place"), [("step", 50.0), ("seconds", 10.0), ("clock", 1010.0)])
def test_places_are_in_the_units_of_the_axis(kind: str, place: float) -> None:
    signs = signs_of(marks_of(EVENTS[:1]), kind, 1000.0)  # type: ignore[arg-type]
    assert signs.x.tolist() == [place] and signs.codes.tolist() == [ord("c")]


def test_signs_stand_above_the_curve_and_only_faults_over_it() -> None:
    high_at_end = np.where(STEPS > 65, 1.0, 0.0)
    axes = Axes(signs=signs_of(marks_of(EVENTS), "step", 0.0))
    plot = draw_plot([Curve(STEPS, high_at_end)], 60, 9, axes)
    row = plot.rows()[0]
    assert [sign for sign in row if sign in "c↑»×!"] == ["×", "c", "»", "!"]
    for sign, role, step in (("c", MARK, 50.0), ("!", ALARM, 80.0), ("×", ALARM, 20.0)):
        assert plot.column_of(step) == row.index(sign) and plot.roles[0, row.index(sign)] == role
    assert plot.roles[0, plot.column_of(70.0)] == FIRST_CURVE


def test_a_kind_on_every_column_is_left_out_but_never_a_fault() -> None:
    events = [event(kind, step) for kind in ("checkpoint", "stall") for step in range(101)]
    row = draw_plot([Curve(STEPS, STEPS * 0)], 60, 9, Axes(signs=signs_of(marks_of(events), "step", 0.0))).rows()[0]
    assert "c" not in row and row.count("!") > 40
    few = signs_of(marks_of(events[:101:50]), "step", 0.0)
    assert draw_plot([Curve(STEPS, STEPS * 0)], 60, 9, Axes(signs=few)).rows()[0].count("c") == 3


def test_no_signs_change_nothing() -> None:
    curve = Curve(STEPS, np.sin(STEPS))
    assert draw_plot([curve], 60, 9, Axes()).rows() == draw_plot([curve], 60, 9, Axes(signs=NO_SIGNS)).rows()
