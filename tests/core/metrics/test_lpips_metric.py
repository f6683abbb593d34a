"""The LPIPS metric runs its network in true fp32, whatever the precision around."""

import torch
from torch import Tensor

from vqtool.core.features.lpips import LPIPS
from vqtool.core.metrics import build_metrics


def test_tf32_is_off_inside_and_as_before_outside(random_network: LPIPS) -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    seen: list[tuple[bool, torch.dtype]] = []

    def record(module: torch.nn.Module, inputs: tuple[Tensor], outputs: list[Tensor]) -> None:
        seen.extend((cudnn.allow_tf32, features.dtype) for features in outputs)

    handle = random_network.vgg.register_forward_hook(record)
    clips = torch.zeros(1, 1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        build_metrics(["lpips"], {"lpips": random_network})[0].update(clips, clips)
    handle.remove()
    assert set(seen) == {(False, torch.float32)}
    assert cudnn.allow_tf32 == before
