"""True fp32 for networks whose published numbers were made with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_fp32() -> Iterator[None]:
    """Within, convolutions on CUDA use fp32; by default they run in TF32, which keeps 10 bits of the mantissa."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(True, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False):
        yield
