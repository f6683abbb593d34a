"""Published weights of the networks behind metrics and losses: fetched, converted, verified and found again.

Each network is one entry in `registry.py`. Whatever the source, the tensors are the same and their sha256 is pinned.
"""

from vqtool.weights.fetch import fetch
from vqtool.weights.store import weights_folder, weights_path, weights_state

__all__ = ["fetch", "weights_folder", "weights_path", "weights_state"]
