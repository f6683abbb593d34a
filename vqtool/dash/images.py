"""Which way of drawing pictures a terminal gets: never escape sequences that it did not ask for."""

from collections.abc import Mapping
from typing import Literal

from vqtool.errors import VqtoolError

ImageChoice = Literal["auto", "half", "kitty", "sixel", "none"]
ImageMode = Literal["blocks", "shades", "kitty", "sixel", "none"]
KITTY_TERMINALS = ("xterm-kitty", "xterm-ghostty")
MULTIPLEXERS = ("TMUX", "STY")
TRUE_COLOUR = ("truecolor", "24bit")


def choose_images(choice: ImageChoice, environment: Mapping[str, str]) -> ImageMode:
    """How to draw pictures, by the user's choice and the environment variables of the terminal.

    auto is kitty's protocol where TERM or KITTY_WINDOW_ID says that the terminal is one with it, and no multiplexer is
    between; else half blocks. Half blocks become characters from dark to bright under NO_COLOR.

    Raises:
        VqtoolError: kitty's protocol was chosen where it cannot work.
    """
    if choice in ("auto", "kitty"):
        obstacle = _obstacle(environment)
        if choice == "kitty" and obstacle:
            raise VqtoolError(f"--images kitty does not work {obstacle}: use --images auto or half")
        if not obstacle and (choice == "kitty" or _is_kitty(environment)):
            return "kitty"
    if choice in ("sixel", "none"):
        return choice
    return "shades" if environment.get("NO_COLOR") else "blocks"


def _is_kitty(environment: Mapping[str, str]) -> bool:
    return environment.get("TERM") in KITTY_TERMINALS or "KITTY_WINDOW_ID" in environment


def _obstacle(environment: Mapping[str, str]) -> str:
    """What keeps the protocol from working, or nothing. The number of a picture is a 24-bit colour of its cells."""
    if any(environment.get(name) for name in MULTIPLEXERS):
        return "under tmux or screen, which do not pass pictures on"
    if environment.get("NO_COLOR"):
        return "with NO_COLOR, for a picture is told by the colour of its cells"
    if environment.get("COLORTERM", "").lower() not in TRUE_COLOUR:
        return "without 24-bit colours (COLORTERM=truecolor)"
    return ""
