"""What a user may have meant by a word that is not known."""

import difflib
from collections.abc import Callable, Iterable


def did_you_mean(word: str, known: Iterable[str], show: Callable[[str], str] = str, most: int = 1) -> str:
    """`; did you mean X?` with the nearest of `known` as `show` gives it; empty where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=most, cutoff=0.5)
    return f"; did you mean {', '.join(map(show, near))}?" if near else ""
