"""Names of files as names of trajectories: readable, unique, and safe as a path on any file system."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff"%*:<>?\\|]')


def escape(path: str) -> str:
    """`path` with what some file system or a terminal would trip over as %XX; spaces and letters stay."""
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in os.fsencode(match[0])), path)


def unescape(name: str) -> str:
    """The path that `escape` made the name of."""
    return os.fsdecode(unquote_to_bytes(os.fsencode(name)))


def short_names(paths: Iterable[str], suffixes: Iterable[str]) -> Mapping[str, str]:
    """Each path by its name: without its suffix, and with it where two would have the same name."""
    stems = {path: _without(path, tuple(suffixes)) for path in paths}
    uses = Counter(stems.values())
    names = {path: stem if uses[stem] == 1 and stem not in stems else path for path, stem in stems.items()}
    return {escape(name): path for path, name in names.items()}


def _without(path: str, suffixes: tuple[str, ...]) -> str:
    return next((path.removesuffix(suffix) for suffix in suffixes if path.endswith(suffix)), path)
