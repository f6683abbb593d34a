"""Untrusted text can never drive a terminal."""

import pytest

from vqtool.core.text import clean


@pytest.mark.parametrize(
    "harmful",
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x9b31m",
        "a\nb",
        "a\rb",
        "\u202e",
        "\u200b",
        "\ud800",
        "\x7f",
        "\u2028",
        "\ue000",
    ],
)
def test_clean_leaves_nothing_that_drives_a_terminal(harmful: str) -> None:
    cleaned = clean(f"a{harmful}z")
    assert cleaned.isprintable()
    assert cleaned.encode()
    assert cleaned[0] == "a" and cleaned[-1] == "z"


def test_clean_keeps_text_and_markup_as_they_are() -> None:
    assert clean("[bold]Ünï 北京 ◆[/bold]") == "[bold]Ünï 北京 ◆[/bold]"
    assert clean("a\tb") == "a  b"
    assert clean("x" * 100, 10) == "x" * 9 + "…"
