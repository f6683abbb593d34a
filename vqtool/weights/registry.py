"""All networks whose weights vqtool can fetch."""

import difflib

from vqtool.errors import WeightsError
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.i3d import I3D
from vqtool.weights.lpips import LPIPS

REGISTRY: dict[str, WeightsEntry] = {entry.name: entry for entry in (LPIPS, I3D)}


def find_entry(name: str) -> WeightsEntry:
    """The entry called `name`.

    Raises:
        WeightsError: unknown; names the nearest.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    close = difflib.get_close_matches(name, REGISTRY, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise WeightsError(f"no weights called {name!r}{hint} (known: {', '.join(REGISTRY)})")
