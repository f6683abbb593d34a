"""Every quantizer of the schema, small, its codes placed among normally distributed latents."""

import pytest
import torch
from quantizer_configs import CONFIGS, label

from vqtool.core.quantizers import Quantizer, build_quantizer


@pytest.fixture(params=CONFIGS, ids=label)
def quantizer(request: pytest.FixtureRequest) -> Quantizer:
    torch.manual_seed(0)
    quantizer = build_quantizer(request.param)
    if not quantizer.is_initialised:
        quantizer.initialise(torch.randn(quantizer.num_initial_vectors, quantizer.code_dim))
    return quantizer
