"""Whether the networks behind metrics and losses are there."""

from vqtool.core.finding import Finding
from vqtool.weights.entry import WeightsEntry
from vqtool.weights.registry import REGISTRY
from vqtool.weights.store import weights_folder, weights_state


def check_weights() -> list[Finding]:
    """A finding for each network that can be fetched; reads the weights that are there."""
    return [_check(entry) for entry in REGISTRY.values()]


def _check(entry: WeightsEntry) -> Finding:
    name, command = f"weights {entry.name}", f"vqtool fetch-weights {entry.name}"
    folder = weights_folder()
    match weights_state(entry, folder):
        case "verified":
            return Finding(name, "ok", f"verified in {folder}")
        case "damaged":
            return Finding(name, "broken", f"damaged in {folder}", command)
        case "absent":
            if folder.is_dir() and entry.as_is_in(folder) is not None:
                return Finding(name, "ok", f"the authors' own file in {folder}")
            return Finding(
                name, "note", f"not there, for {entry.purpose}", f"{command} ({entry.num_bytes / 1e6:.0f} MB)"
            )
