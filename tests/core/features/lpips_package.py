"""The `lpips` package of the LPIPS authors as an oracle, on machines without torchvision, which it asks for VGG16."""

import sys
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from torch import nn

from vqtool.core.features.vgg16 import BLOCK_CHANNELS, BLOCK_CONVS, VGG16


def load_oracle(vgg: VGG16) -> nn.Module:
    """The package's LPIPS around the convolutions of `vgg`, with the linear heads that it ships."""
    models = ModuleType("torchvision.models")
    models.vgg16 = lambda pretrained: SimpleNamespace(features=torchvision_layers(vgg))
    stubs = {"torchvision": ModuleType("torchvision"), "torchvision.models": models}
    stubs["torchvision"].models = models
    # Its trainer, which nothing here needs, asks for more packages.
    stubs["lpips.trainer"] = ModuleType("lpips.trainer")
    with patch.dict(sys.modules, stubs):
        package = pytest.importorskip("lpips", reason="needs the package lpips: pip install --no-deps lpips")
        return package.LPIPS(net="vgg", verbose=False)


def torchvision_layers(vgg: VGG16) -> nn.Sequential:
    """`vgg` as the layers in the order of torchvision's `features`."""
    layers: list[nn.Module] = []
    for block in range(1, len(BLOCK_CHANNELS) + 1):
        for number in range(1, BLOCK_CONVS[block - 1] + 1):
            layers += [vgg.get_submodule(f"conv{block}_{number}"), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def distances(oracle: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """The oracle's distance of each pair of images in [-1, 1]."""
    with torch.no_grad():
        return oracle(real, fake).flatten()
