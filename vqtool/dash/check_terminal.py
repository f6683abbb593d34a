"""What this terminal can show: size, colours, Unicode, pictures."""

import os
import sys
from collections.abc import Mapping

from rich.console import Console

from vqtool.core.finding import Finding

COLUMNS, ROWS = 80, 24
"""The smallest terminal in which the dashboard has room for all its panels."""
GRAPHICS = {"kitty": "kitty", "ghostty": "kitty", "wezterm": "kitty", "foot": "sixel", "mlterm": "sixel"}
"""Protocols for pictures, by what the name of a terminal contains."""


def check_terminal(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Whether there is a terminal, and what is known of it from its environment; nothing is asked of it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or environ.get("TERM") == "dumb":
        remedy = "for vqtool dash log in with a terminal (ssh -t); vqtool dash --once prints plain text"
        return [Finding("terminal", "note", "none here: progress is printed as lines", remedy), check_unicode()]
    return [
        check_size(*os.get_terminal_size(sys.stderr.fileno())),
        check_colours(),
        check_unicode(),
        check_images(environ),
    ]


def check_size(columns: int, rows: int) -> Finding:
    """Whether the dashboard's panels fit."""
    detail = f"{columns} columns, {rows} rows"
    if columns >= COLUMNS and rows >= ROWS:
        return Finding("terminal", "ok", detail)
    return Finding("terminal", "note", detail, f"vqtool dash shows more from {COLUMNS} x {ROWS} on: enlarge the window")


def check_colours(console: Console | None = None) -> Finding:
    """The number of colours, which decides how previews look."""
    system = (console or Console(stderr=True)).color_system
    if system == "truecolor":
        return Finding("colours", "ok", "16 million")
    if "NO_COLOR" in os.environ or system is None:
        return Finding("colours", "note", "none: previews are drawn with characters", "unset NO_COLOR, or set TERM")
    number = {"256": "256", "standard": "16", "windows": "16"}.get(system, system)
    return Finding("colours", "note", f"{number}: previews look coarse", "if it has more: export COLORTERM=truecolor")


def check_unicode(encoding: str | None = None) -> Finding:
    """Whether braille dots and blocks, of which curves and pictures are made, can be printed."""
    encoding = encoding or sys.stderr.encoding or "ascii"
    try:
        "⣿▀".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return Finding("unicode", "note", f"no, the encoding is {encoding}", "export LC_ALL=C.UTF-8 PYTHONUTF8=1")
    return Finding("unicode", "ok", encoding)


def check_images(environ: Mapping[str, str]) -> Finding:
    """How pictures can be shown, by the terminal's name."""
    if any(environ.get(name) for name in ("TMUX", "STY")) or environ.get("TERM", "").startswith(("tmux", "screen")):
        remedy = "tmux passes true colours on with: set -as terminal-features ',*:RGB'"
        return Finding("images", "ok", "half blocks, inside tmux or screen", remedy)
    known = f"{environ.get('TERM', '')} {environ.get('TERM_PROGRAM', '')}".lower()
    protocol = next((protocol for name, protocol in GRAPHICS.items() if name in known), None)
    if protocol is None:
        return Finding("images", "ok", "half blocks")
    return Finding("images", "ok", f"half blocks; the terminal knows {protocol} graphics too")
