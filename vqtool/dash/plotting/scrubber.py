"""A line with a place for every preview ever kept."""

from typing import Protocol

from vqtool.dash.reader import StepPaths

MIN_WIDTH = 20
MARK, COMPARED, RAIL, PREVIEW = "●", "A", "─", "┴"


class Shown(Protocol):
    """What the scrubber shows: all previews, the place of the present one, and the step compared with."""

    @property
    def previews(self) -> StepPaths:
        """Ascending by step."""

    @property
    def index(self) -> int:
        """The place of the present one among them."""

    @property
    def compared_step(self) -> int | None:
        """The step compared with, or None."""


def scrubber(shown: Shown, width: int) -> str:
    """First step, a rail with the previews on it, last step; empty where there is no choice or no room."""
    count = len(shown.previews)
    if count < 2 or width < MIN_WIDTH:
        return ""
    first, last = _ends(shown.previews)
    rail = [RAIL] * _rail_width(shown.previews, width)
    for index, (step, _) in enumerate(shown.previews):
        place = _place(index, count, len(rail))
        if step == shown.compared_step:
            rail[place] = COMPARED
        elif rail[place] == RAIL:
            rail[place] = PREVIEW
    rail[_place(shown.index, count, len(rail))] = MARK
    return f"{first}{''.join(rail)}{last}"


def index_at(previews: StepPaths, width: int, column: int) -> int:
    """The place of the preview at a column of the scrubber."""
    first, _ = _ends(previews)
    rail = _rail_width(previews, width)
    return round((column - len(first)) * (len(previews) - 1) / max(1, rail - 1))


def _ends(previews: StepPaths) -> tuple[str, str]:
    return f"{previews[0][0]:,} ", f" {previews[-1][0]:,}"


def _rail_width(previews: StepPaths, width: int) -> int:
    return max(1, width - sum(map(len, _ends(previews))))


def _place(index: int, count: int, width: int) -> int:
    return round(index * (width - 1) / (count - 1))
