"""The rotation trick against its definition and against a published implementation; where it is not defined."""

import pytest
import torch
from torch import Tensor

from vqtool.core.config import EmaConfig, GroupedConfig, ResidualConfig, SimVqConfig, VqConfig
from vqtool.core.quantizers import build_quantizer
from vqtool.core.quantizers.gradient import pass_gradient


def pair() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    latents, codes, weights = torch.randn(3, 50, 5, dtype=torch.float64)
    return latents.requires_grad_(), 3 * codes, weights


def gradient(values: Tensor, latents: Tensor, weights: Tensor) -> Tensor:
    return torch.autograd.grad((values * weights).sum(), latents)[0]


@pytest.mark.parametrize("kind", ["straight-through", "rotation"])
def test_the_value_is_exactly_the_code(kind: str) -> None:
    latents, codes, _ = pair()
    assert torch.equal(pass_gradient(kind, latents, codes), codes)


@pytest.mark.parametrize("kind", ["straight-through", "rotation"])
def test_codes_learn_nothing_from_what_the_decoder_wants(kind: str) -> None:
    latents, codes, weights = pair()
    codes.requires_grad_()
    (pass_gradient(kind, latents, codes) * weights).sum().backward()
    assert codes.grad is None


def test_the_rotation_is_that_of_the_paper() -> None:
    """J e = q, and J is a rotation times |q| / |e| that leaves alone what is at right angles to both."""
    latents, codes, _ = pair()
    for number in range(5):
        e, q = latents[number].detach(), codes[number]
        jacobian = torch.autograd.functional.jacobian(lambda x, q=q: pass_gradient("rotation", x[None], q[None])[0], e)
        torch.testing.assert_close(jacobian @ e, q)
        scale = q.norm() / e.norm()
        torch.testing.assert_close(jacobian @ jacobian.T, scale**2 * torch.eye(5, dtype=torch.float64))
        assert torch.det(jacobian) > 0
        basis = torch.linalg.svd(torch.stack([e, q])).Vh[2:]
        torch.testing.assert_close(jacobian @ basis.T, scale * basis.T)


def test_the_rotation_is_that_of_a_published_implementation() -> None:
    from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

    latents, codes, weights = pair()
    theirs = gradient(rotate_to(latents, codes), latents, weights)
    torch.testing.assert_close(gradient(pass_gradient("rotation", latents, codes), latents, weights), theirs)


@pytest.mark.parametrize(
    ("latent", "code"),
    [
        ([0.0, 0.0], [1.0, 0.0]),
        ([1e-30, 0.0], [1.0, 0.0]),
        ([1e-8, 0.0], [0.0, 1.0]),
        ([1.0, 0.0], [0.0, 0.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1.0, 0.0], [-1.0, 0.0]),
        ([1.0, 0.0], [-1.0, 1e-7]),
    ],
)
def test_where_there_is_no_rotation_the_gradient_passes_straight_through(
    latent: list[float], code: list[float]
) -> None:
    latents = torch.tensor([latent, [3.0, 4.0]], requires_grad=True)
    weights = torch.tensor([[0.5, -2.0], [1.0, 1.0]])
    found = gradient(pass_gradient("rotation", latents, torch.tensor([code, [4.0, -3.0]])), latents, weights)
    assert torch.equal(found[0], weights[0])
    torch.testing.assert_close(found[1], torch.tensor([-1.0, 1.0]))  # its neighbour is turned back by 90 degrees


OF = {"codebook_size": 8, "code_dim": 3, "gradient": "rotation"}


@pytest.mark.parametrize(
    "config",
    [
        VqConfig(**OF),
        EmaConfig(**OF),
        SimVqConfig(**OF),
        VqConfig(**OF, lookup="cosine"),
        ResidualConfig(of=EmaConfig(**OF)),
        GroupedConfig(of=EmaConfig(**OF)),
    ],
    ids=lambda config: config.kind,
)
def test_quantizers_rotate_bounded_latents_onto_their_codes(config: VqConfig) -> None:
    """A composite's groups each turn by themselves; levels of a residual turn once, onto their sum."""
    from vector_quantize_pytorch.vector_quantize_pytorch import rotate_to

    torch.manual_seed(0)
    quantizer = build_quantizer(config).train()
    x = torch.randn(20, quantizer.code_dim, 1, 1, requires_grad=True)
    weights = torch.randn_like(x)
    codes = quantizer(x).codes_NCHW
    bounded = quantizer.unquantized(x)
    pieces = zip(bounded[..., 0, 0].split(3, 1), codes[..., 0, 0].detach().split(3, 1), strict=True)
    theirs = torch.cat([rotate_to(latents, code) for latents, code in pieces], 1)[..., None, None]
    torch.testing.assert_close(gradient(codes, x, weights), gradient(theirs, x, weights), rtol=1e-4, atol=1e-5)
