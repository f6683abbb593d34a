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


def escaped(text: str) -> str:
    """`text` with each character that could drive a terminal as its number in hexadecimal digits; lines and tabs stay.

    Of TOML and JSON, where such characters stand in strings only, this is another spelling of the same content.
    """
    return "".join(map(_escaped_character, text))


def _escaped_character(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HARMFUL_CATEGORIES:
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 1 << 16 else f"\\U{ord(character):08x}"


def _clean_character(character: str) -> str:
    if character == "\t":
        return "  "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in _HARMFUL_CATEGORIES else character
