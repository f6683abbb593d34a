"""The networks behind metrics, from the fetched weights."""

from vqtool.core.features.lpips import LPIPS
from vqtool.weights import weights_path


def load_lpips() -> LPIPS:
    """LPIPS with its published weights.

    Raises:
        WeightsError: not fetched yet; names the command that does.
    """
    return LPIPS.from_file(weights_path("lpips"))
