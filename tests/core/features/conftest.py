"""The pretrained networks with random weights (for their arithmetic) and the published ones (for their values)."""

from pathlib import Path

import pytest
import torch

from vqtool.core.features.i3d import I3D
from vqtool.core.features.lpips import LPIPS
from vqtool.errors import WeightsError
from vqtool.weights import fetch, weights_path


@pytest.fixture(scope="session")
def random_lpips() -> LPIPS:
    torch.manual_seed(0)
    return LPIPS()


def published(name: str) -> Path:
    """The weights `name`, fetched into the user's folder if they are not there yet."""
    try:
        return weights_path(name)
    except WeightsError:
        try:
            return fetch(name)
        except WeightsError as error:
            pytest.skip(f"needs the {name} weights: {error}")


@pytest.fixture(scope="session")
def published_lpips() -> LPIPS:
    """The real network."""
    return LPIPS.from_file(published("lpips"))


@pytest.fixture(scope="session")
def published_i3d() -> I3D:
    """The real network."""
    return I3D.from_file(published("i3d"))
