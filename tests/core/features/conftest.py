"""LPIPS with random weights (for its arithmetic) and with the published ones (for its values)."""

import pytest
import torch

from vqtool.core.features.lpips import LPIPS
from vqtool.errors import WeightsError
from vqtool.weights import fetch, weights_path


@pytest.fixture(scope="session")
def random_lpips() -> LPIPS:
    torch.manual_seed(0)
    return LPIPS()


@pytest.fixture(scope="session")
def published_lpips() -> LPIPS:
    """The real network, fetched into the user's folder if it is not there yet."""
    try:
        path = weights_path("lpips")
    except WeightsError:
        try:
            path = fetch("lpips")
        except WeightsError as error:
            pytest.skip(f"needs the LPIPS weights: {error}")
    return LPIPS.from_file(path)
