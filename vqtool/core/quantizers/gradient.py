"""How the gradient of a chosen code reaches the latent, although choosing has none. The value is exactly the code."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vqtool.core.config import Gradient

SMALLEST_SHARE = 1e-4
"""A latent shorter than this share of its code has no direction worth turning, and its gradient would explode."""


def pass_gradient(gradient: Gradient, latents_ND: Tensor, codes_ND: Tensor) -> Tensor:
    """The values of `codes_ND` with a gradient for `latents_ND`; none reaches the codes."""
    moved_ND = latents_ND if gradient == "straight-through" else _rotated(latents_ND, codes_ND.detach())
    # x - x is 0, so the value is exactly the code.
    return codes_ND.detach() + (moved_ND - moved_ND.detach())


def _rotated(latents_ND: Tensor, codes_ND: Tensor) -> Tensor:
    """Latents turned and scaled onto their codes by a matrix that is held constant.

    Fifty et al. 2024, "Restructuring Vector Quantization with the Rotation Trick", section 4.2:
    |q| / |e| (I - 2 r r^T + 2 q^ e^^T) e with r the unit vector along e^ + q^. Where it is not defined (no length, or
    opposite directions) the latent passes as it is, which is straight-through.
    """
    values_ND = latents_ND.detach()
    latent_norms_N1, code_norms_N1 = values_ND.norm(dim=1, keepdim=True), codes_ND.norm(dim=1, keepdim=True)
    from_ND, to_ND = F.normalize(values_ND, dim=1), F.normalize(codes_ND, dim=1)
    half_way_ND = from_ND + to_ND
    defined_N1 = (
        (code_norms_N1 > 0)
        & (latent_norms_N1 > SMALLEST_SHARE * code_norms_N1)
        & (half_way_ND.norm(dim=1, keepdim=True) > SMALLEST_SHARE)
    )
    axis_ND = F.normalize(half_way_ND, dim=1)
    turned_ND = (
        latents_ND
        - 2 * (latents_ND * axis_ND).sum(1, keepdim=True) * axis_ND
        + 2 * (latents_ND * from_ND).sum(1, keepdim=True) * to_ND
    )
    # The scale is 1 where it is not defined: an infinite one would leave NaN in the branch that is not taken.
    scale_N1 = torch.where(defined_N1, code_norms_N1 / latent_norms_N1.where(defined_N1, 1.0), 1.0)
    return torch.where(defined_N1, scale_N1 * turned_ND, latents_ND)
