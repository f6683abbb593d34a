"""The colours: dark, light, and two whose curves the colour-blind can tell apart; the choice is kept."""

import logging
from pathlib import Path

import platformdirs
from textual.theme import Theme

from vqtool.core.atomic import write_atomic
from vqtool.errors import VqtoolError

SAFE_DARK = Theme(
    name="colour-blind-dark",
    primary="#56B4E9",
    secondary="#CC79A7",
    warning="#E69F00",
    error="#D55E00",
    success="#F0E442",
    accent="#009E73",
    foreground="#E6E6E6",
    background="#101010",
    surface="#181818",
    panel="#242424",
)
SAFE_LIGHT = Theme(
    name="colour-blind-light",
    primary="#0072B2",
    secondary="#AA4499",
    warning="#B26B00",
    error="#B34700",
    success="#00614A",
    accent="#009E73",
    foreground="#1A1A1A",
    background="#F4F4F4",
    surface="#FFFFFF",
    panel="#E2E2E2",
    dark=False,
)
"""Hues of Okabe and Ito (Color Universal Design, 2008), the light ones darker so that they can be read on white."""
NAMES = ("textual-dark", "textual-light", SAFE_DARK.name, SAFE_LIGHT.name)
"""What the key goes through; the command palette has all that Textual brings."""
MAX_CHARACTERS = 100

_log = logging.getLogger(__name__)


def next_theme(name: str) -> str:
    """The theme after this one; the first after one that is not in `NAMES`."""
    return NAMES[(NAMES.index(name) + 1) % len(NAMES)] if name in NAMES else NAMES[0]


def load_theme() -> str:
    """The name of the theme chosen last, which need not exist any more; empty where none was chosen."""
    try:
        return _file().read_text(encoding="utf-8")[:MAX_CHARACTERS].strip()
    except (OSError, ValueError, RuntimeError):
        return ""


def save_theme(name: str) -> None:
    """Keep the choice for the next time; what cannot be kept is not."""
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_atomic(_file(), name + "\n")
    except (OSError, VqtoolError, RuntimeError) as error:
        _log.debug("the theme is not kept: %s", error)


def _file() -> Path:
    return platformdirs.user_state_path("vqtool") / "dash" / "theme"
