"""All networks whose weights vqtool can fetch."""

from vqtool.core.nearest import did_you_mean
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
    raise WeightsError(f"no weights called {name!r}{did_you_mean(name, REGISTRY)} (known: {', '.join(REGISTRY)})")
