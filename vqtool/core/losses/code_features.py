"""Features of a real frame told from its codes alone: what makes an encoder learn more than its training scenes."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class CodeFeatures(nn.Module):
    """A convolution from codes to the features that a frozen network gives of the frame, thrown away after training.

    After the vector-quantized knowledge distillation of Peng et al. 2022, "BEiT v2", section 2; its teacher is one
    layer of CLIP, here the teacher are all layers that LPIPS compares, and LPIPS is also the distance.
    """

    def __init__(self, code_dim: int, channels: Sequence[int]) -> None:
        super().__init__()
        self._channels = tuple(channels)
        self.tell = nn.Conv2d(code_dim, sum(channels), kernel_size=3, padding=1)

    def forward(self, codes_NCHW: Tensor, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """What codes say of `features`, a map (N, C, h', w') a layer of these channels, and what they are to say.

        Both are maps (N, C, h, w) a layer on the grid of the codes (N, D, h, w), to which features are averaged.
        """
        height, width = codes_NCHW.shape[-2:]
        told = self.tell(codes_NCHW).split(self._channels, dim=1)
        return list(told), [F.adaptive_avg_pool2d(layer.float(), (height, width)) for layer in features]
