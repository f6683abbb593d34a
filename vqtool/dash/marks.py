"""The run's events as marks on its charts: which have one, its sign, and its name at the cursor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqtool.core.text import clean
from vqtool.dash.plotting.axis import XKind
from vqtool.dash.plotting.signs import Signs

SIGNS = {
    "evaluation": "e",
    "checkpoint": "c",
    "revive": "↑",
    "resume": "┊",
    "stage": "»",
    "non-finite": "×",
    "stall": "!",
    "alarm": "!",
}
"""By kind of event, the weightiest last: it is seen where several fall together."""
FAULTS = ("non-finite", "stall", "alarm")
_RANKS = {kind: rank for rank, kind in enumerate(SIGNS)}
_DETAILS = {"stage": "stage", "alarm": "alarm"}
MAX_NAMES = 4


@dataclass(frozen=True)
class Mark:
    """An event at a step and a time (unix seconds); `detail` says which stage or alarm, and is untrusted."""

    kind: str
    step: int
    time: float
    detail: str = ""

    @property
    def sign(self) -> str:
        """One character."""
        return SIGNS[self.detail if self.detail == "non-finite" else self.kind]

    @property
    def name(self) -> str:
        """A few words, safe to show."""
        return f"{self.kind} {clean(self.detail, 20)}" if self.detail else self.kind

    def place(self, kind: XKind, started: float) -> float:
        """The place on an x axis of a run that began at `started` (unix seconds)."""
        return float(self.step) if kind == "step" else self.time - (started if kind == "seconds" else 0.0)


def marks_of(events: Iterable[Mapping[str, Any]]) -> tuple[Mark, ...]:
    """The events that have a sign, the weightiest kinds last."""
    marks = []
    for event in events:
        step, time, kind = event.get("step"), event.get("time"), str(event.get("kind"))
        if kind in _RANKS and type(step) is int and isinstance(time, int | float):
            detail = event.get(_DETAILS.get(kind, ""), "")
            marks.append(Mark(kind, step, float(time), str(detail)))
    return tuple(sorted(marks, key=lambda mark: _RANKS[mark.kind]))


def signs_of(marks: Iterable[Mark], kind: XKind, started: float) -> Signs:
    """The marks' signs at their places on an x axis."""
    known = tuple(marks)
    places = np.array([mark.place(kind, started) for mark in known], dtype=np.float64)
    codes = np.array([ord(mark.sign) for mark in known], dtype=np.uint32)
    return Signs(places, codes, np.array([mark.kind in FAULTS for mark in known], dtype=np.bool_))


def names_of(marks: Iterable[Mark]) -> str:
    """The marks' names, the weightiest first, each once with how many there are; empty where there is no mark."""
    counts: dict[str, int] = {}
    for mark in reversed(tuple(marks)):
        counts[mark.name] = counts.get(mark.name, 0) + 1
    names = [f"{count} x {name}" if count > 1 else name for name, count in counts.items()]
    return " + ".join(names[:MAX_NAMES]) + (" + more" if len(names) > MAX_NAMES else "")
