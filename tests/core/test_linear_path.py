"""The linear path against numpy's singular value decomposition of the same patches."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn.functional import unfold

from vqtool.core.config import ClipConfig, EmaConfig, PatchConfig, ResidualConfig
from vqtool.core.networks.linear_path import NUM_PICTURES, LinearPath
from vqtool.core.tokenizers import build_tokenizer

SMALL = {"resolution": 16, "patch_size": 2, "num_res_blocks": 1, "linear_path": True, "channels": 8}


def pictures(num: int, size: int = 8) -> torch.Tensor:
    """Smooth pictures: their patches have few directions."""
    draw = torch.Generator().manual_seed(3)
    coarse = torch.randn(num, 3, 3, 3, generator=draw)
    noise = 0.05 * torch.randn(num, 3, size, size, generator=draw)
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear") + 0.3 + noise


def principal(images: torch.Tensor, patch_size: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The patches (N, P) and what is left of them of `dim` components, by another library."""
    patches = unfold(images, patch_size, stride=patch_size).movedim(1, -1).flatten(0, 1).double().numpy()
    mean = patches.mean(axis=0)
    _, _, axes = np.linalg.svd(patches - mean, full_matrices=False)
    return patches, (patches - mean) @ axes[:dim].T @ axes[:dim] + mean


@pytest.mark.parametrize("dim", [1, 5])
def test_it_is_the_projection_on_principal_components(dim: int) -> None:
    images = pictures(NUM_PICTURES)
    path = LinearPath(3, 4, dim)
    path.fit([images[:300], images[300:]])
    latents = path.encode(images)
    _, projected = principal(images, 4, dim)
    found = unfold(path.decode(latents), 4, stride=4).movedim(1, -1).flatten(0, 1)
    np.testing.assert_allclose(found.detach().numpy(), projected, atol=1e-4)
    assert latents.square().mean().item() == pytest.approx(1, abs=1e-4)
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    variances = latents.var(dim=(0, 2, 3))
    assert torch.equal(variances, variances.sort(descending=True).values)


def test_latents_beyond_the_numbers_of_a_patch_are_nothing() -> None:
    images = pictures(NUM_PICTURES)
    path = LinearPath(3, 2, 20)
    path.fit([images])
    latents = path.encode(images)
    assert not latents[:, 12:].any()
    torch.testing.assert_close(path.decode(latents), images, atol=1e-4, rtol=0)


def test_it_takes_no_more_batches_than_it_needs() -> None:
    batches = iter(pictures(4 * NUM_PICTURES).split(100))
    LinearPath(3, 4, 2).fit(batches)
    assert len(list(batches)) == -(-4 * NUM_PICTURES // 100) - -(-NUM_PICTURES // 100)


def test_pictures_without_variance_do_no_harm() -> None:
    path = LinearPath(3, 4, 2)
    path.fit([torch.full((NUM_PICTURES, 3, 8, 8), 0.25)])
    torch.testing.assert_close(path.decode(path.encode(torch.full((1, 3, 8, 8), 0.25))), torch.full((1, 3, 8, 8), 0.25))


def test_a_fitted_tokenizer_starts_from_the_linear_code() -> None:
    """Before the first step the networks add nothing."""
    quantizer = EmaConfig(codebook_size=8, code_dim=12)
    model = build_tokenizer(PatchConfig(quantizer=quantizer, channel_multipliers=(1, 2), **SMALL)).eval()
    assert not model.is_fitted
    images = pictures(NUM_PICTURES, 16)
    model.fit(iter(images.unflatten(0, (-1, 4)).split(16)))
    assert model.is_fitted
    _, projected = principal(images, 4, 12)
    found = model(images[:, None], quantized=False).frames_BTCHW[:, 0]
    np.testing.assert_allclose(
        unfold(found, 4, stride=4).movedim(1, -1).flatten(0, 1).detach().numpy(), projected, atol=1e-3
    )


def test_the_context_of_a_clip_is_fitted_to_its_own_pictures() -> None:
    quantizer = ResidualConfig(of=EmaConfig(codebook_size=8, code_dim=12))
    config = ClipConfig(
        resolution=16, patch_size=2, segment_frames=4, context_channels=8, channels=8, linear_path=True,
        channel_multipliers=(1, 2), context_quantizer=quantizer,
    )  # fmt: skip
    model = build_tokenizer(config)

    def clips() -> Iterator[torch.Tensor]:
        while True:
            yield pictures(8 * 4, 16).unflatten(0, (8, 4))

    assert not model.is_fitted
    model.fit(clips())
    assert model.is_fitted
    means = next(clips()).mean(dim=1)
    latents = model.context.latents(means)
    assert model.context.pictures(latents).sub(means).square().mean() < 0.2 * means.var()


def test_untrained_changes_are_the_linear_code_of_what_moved() -> None:
    config = ClipConfig(
        resolution=16, patch_size=2, segment_frames=4, context_channels=8, channels=8, linear_path=True,
        channel_multipliers=(1, 2), quantizer=EmaConfig(codebook_size=8, code_dim=5),
    )  # fmt: skip
    model = build_tokenizer(config)
    model.enter_stage(1)
    frames = pictures(NUM_PICTURES, 16).unflatten(0, (-1, 4))
    model.fit(iter([frames]))
    means, decoded = frames.mean(dim=1), torch.rand(len(frames), 3, 16, 16)
    painted = model.changes.paint(model.changes.latents(frames, means, decoded), decoded)
    _, projected = principal((frames - means[:, None]).flatten(0, 1), 4, 5)
    found = unfold((painted - decoded[:, None]).flatten(0, 1), 4, stride=4).movedim(1, -1).flatten(0, 1)
    np.testing.assert_allclose(found.detach().numpy(), projected, atol=1e-3)
