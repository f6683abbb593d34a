"""What the terminal can show, from its size, encoding and environment."""

import io

import pytest
from rich.console import Console

from vqtool.dash.check_terminal import check_colours, check_images, check_size, check_terminal, check_unicode


@pytest.mark.parametrize(("columns", "rows", "state"), [(80, 24, "ok"), (79, 24, "note"), (200, 12, "note")])
def test_small_terminals_are_noted(columns: int, rows: int, state: str) -> None:
    assert check_size(columns, rows).state == state


@pytest.mark.parametrize(
    ("system", "state"), [("truecolor", "ok"), ("256", "note"), ("standard", "note"), (None, "note")]
)
def test_fewer_colours_are_noted_with_what_to_set(system: str | None, state: str) -> None:
    console = Console(file=io.StringIO(), color_system=system, force_terminal=system is not None)  # type: ignore[arg-type]
    finding = check_colours(console)
    assert finding.state == state
    assert (finding.remedy == "") == (state == "ok")


@pytest.mark.parametrize(
    ("encoding", "state"), [("utf-8", "ok"), ("ascii", "note"), ("cp1252", "note"), ("odd", "note")]
)
def test_encodings_without_braille_are_noted(encoding: str, state: str) -> None:
    assert check_unicode(encoding).state == state


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"TERM": "xterm-kitty"}, "kitty graphics"),
        ({"TERM": "foot"}, "sixel graphics"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-0/default,1,0"}, "inside tmux"),
        ({"TERM": "screen-256color"}, "inside tmux or screen"),
        ({"TERM": "xterm-256color"}, "half blocks"),
    ],
)
def test_pictures_by_the_terminals_name(environ: dict[str, str], words: str) -> None:
    assert words in check_images(environ).detail


def test_no_terminal_is_noted_with_the_way_round() -> None:
    """Under pytest there is none."""
    finding = check_terminal({"TERM": "dumb"})[0]
    assert finding.state == "note" and "vqtool dash --once" in finding.remedy
