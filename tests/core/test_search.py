"""Searched tokens against all tokens there are, and what a search must leave as it is."""

import itertools

import pytest
import torch
from torch import Tensor

from vqtool.core.config import LossConfig
from vqtool.core.config_file import load_config
from vqtool.core.features.lpips import LPIPS
from vqtool.core.search import TokenSearch
from vqtool.core.tokenizers import Tokenizer, Tokens, build_tokenizer
from vqtool.errors import ConfigError

NUM_CODES = 6
SMALL = [
    "model.kind=patch", "model.resolution=16", "model.patch_size=4", "model.channels=8",
    "model.channel_multipliers=[1,2]", f"model.quantizer.codebook_size={NUM_CODES}", "model.quantizer.code_dim=4",
]  # fmt: skip
PIXELS = LossConfig(pixel_kind="l2", pixel_weight=2.0, perceptual_weight=0.0)


def no_lpips() -> LPIPS:
    raise AssertionError("LPIPS is not wanted")


def frames(num: int = 5) -> Tensor:
    """Smooth pictures (num, 1, 3, 16, 16)."""
    coarse = torch.rand(num, 3, 4, 4, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")[:, None]


@pytest.fixture
def model() -> Tokenizer:
    """A decoder that hears its codes, and 2 x 2 tokens of six codes."""
    torch.manual_seed(0)
    model = build_tokenizer(load_config(None, SMALL).model)
    model.quantizer.initialise(model.encode_latents(frames(40)).movedim(1, -1).flatten(0, -2).detach())
    return model.eval()


def pixel_losses(model: Tokenizer, tokens: Tokens) -> Tensor:
    with torch.no_grad():
        return 2.0 * (model.decode(tokens) - frames()).square().mean(dim=(1, 2, 3, 4))


def test_it_closes_much_of_the_gap_between_the_encoders_tokens_and_the_best_there_are(model: Tokenizer) -> None:
    grids = torch.tensor(list(itertools.product(range(NUM_CODES), repeat=4))).view(-1, 1, 2, 2)
    with torch.no_grad():
        decoded = model.decode(Tokens(grids))[:, 0]
        own = pixel_losses(model, model.encode(frames()))
    best = torch.stack([2.0 * (decoded - frame).square().mean(dim=(1, 2, 3)).min() for frame in frames()])
    found = pixel_losses(model, TokenSearch(model, PIXELS, 60, torch.float32, no_lpips).encode(frames()))
    assert (best <= found).all() and (found <= own).all()
    assert (own - found).sum() > 0.5 * (own - best).sum() > 0


def test_more_steps_are_never_worse(model: Tokenizer) -> None:
    few, many = (TokenSearch(model, PIXELS, steps, torch.float32, no_lpips).encode(frames()) for steps in (5, 20))
    assert (pixel_losses(model, many) <= pixel_losses(model, few)).all()


@torch.inference_mode()
def test_a_reconstruction_is_what_its_tokens_decode_to_and_the_model_stays_as_it_is(model: Tokenizer) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    search = TokenSearch(model, PIXELS, 5, torch.float32, no_lpips)
    clip = frames().view(1, 5, 3, 16, 16)
    result = search.reconstruct(clip)
    assert result.tokens is not None and result.tokens.frames_BTHW.shape == (1, 5, 2, 2)
    assert torch.equal(model.decode(result.tokens), result.frames_BTCHW)
    assert torch.equal(search.encode(clip).of_clips(), result.tokens.of_clips())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_lpips_counts_as_in_training(model: Tokenizer) -> None:
    """A narrow LPIPS without published weights: what is less is LPIPS and pixels by their weights."""
    torch.manual_seed(1)
    lpips = LPIPS((4, 4, 4, 4, 4))
    config = LossConfig(pixel_kind="l1", pixel_weight=0.1, perceptual_weight=3.0)

    def loss(tokens: Tokens) -> Tensor:
        with torch.no_grad():
            fake = model.decode(tokens)[:, 0]
            pixels: Tensor = 0.1 * (fake - frames()[:, 0]).abs().mean(dim=(1, 2, 3))
            return pixels + 3.0 * lpips(frames()[:, 0], fake)

    own = model.encode(frames())
    found = TokenSearch(model, config, 30, torch.float32, lambda: lpips).encode(frames())
    assert (loss(found) <= loss(own)).all()
    assert loss(found).sum() < loss(own).sum()


@pytest.mark.parametrize("settings", [["model.kind=clip"], ["model.kind=patch", "model.decoder.kind=3d"]], ids=str)
def test_frames_that_depend_on_each_other_are_refused(settings: list[str]) -> None:
    model = build_tokenizer(load_config(None, [*settings, "model.resolution=32", "data.clip_frames=4"]).model)
    with pytest.raises(ConfigError, match="--search is for tokenizers that encode and decode every frame by itself"):
        TokenSearch(model, PIXELS, 5, torch.float32, no_lpips)
