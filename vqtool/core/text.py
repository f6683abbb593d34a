"""Untrusted text made harmless for a terminal."""

import unicodedata

MAX_CHARACTERS = 2000
_HARMFUL_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def clean(text: object, max_characters: int = MAX_CHARACTERS) -> str:
    """`text` on one line, without control, bidirectional, invisible or unpaired characters, cut to a length.

    Run names, log lines, clip and metric names come from files that anybody may have written.
    """
    raw = str(text)
    shown = raw[:max_characters]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(_clean_character(character) for character in shown)
    return shown if len(raw) <= max_characters else shown[: max_characters - 1] + "…"


def _clean_character(character: str) -> str:
    if character == "\t":
        return "  "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in _HARMFUL_CATEGORIES else character
