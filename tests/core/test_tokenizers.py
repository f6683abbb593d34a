"""The tokenizer as a whole: shapes, exact round trips, gradients, and that it can learn."""

import pytest
import torch

from vqtool.core.config import ClassicConfig, Decoder2dConfig, Decoder3dConfig, EmaConfig, LossConfig, VqConfig
from vqtool.core.losses import TokenizerLoss
from vqtool.core.tokenizers import Tokens
from vqtool.core.tokenizers.classic import VQVAE

DECODERS = [Decoder2dConfig(), Decoder3dConfig(window_frames=2, window_size=2, attention_heads=2)]
QUANTIZERS = [VqConfig(codebook_size=32, code_dim=8), EmaConfig(codebook_size=32, code_dim=8)]


@pytest.fixture(
    params=[(d, q) for d in DECODERS for q in QUANTIZERS], ids=lambda pair: f"{pair[0].kind}-{pair[1].kind}"
)
def config(request: pytest.FixtureRequest) -> ClassicConfig:
    decoder, quantizer = request.param
    return ClassicConfig(
        resolution=16, channels=8, channel_multipliers=(1, 2, 2), num_res_blocks=1, attention_resolutions=(8,),
        latent_channels=8, decoder=decoder, quantizer=quantizer,
    )  # fmt: skip


@pytest.fixture
def model(config: ClassicConfig) -> VQVAE:
    torch.manual_seed(0)
    model = VQVAE(config)
    for parameter in model.decoder.parameters():
        if not parameter.any():  # temporal layers start at zero and would not show
            torch.nn.init.normal_(parameter, std=0.1)
    model.quantize.initialise(model.encode_latents(clips(8, 5)).movedim(1, -1).flatten(0, -2).detach())
    return model


def clips(num_clips: int, num_frames: int) -> torch.Tensor:
    return torch.rand(num_clips, num_frames, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("num_frames", [1, 5])
def test_images_and_clips_take_one_path(model: VQVAE, num_frames: int) -> None:
    result = model(clips(2, num_frames))
    assert result.frames_BTCHW.shape == (2, num_frames, 3, 16, 16)
    assert result.tokens is not None
    assert result.tokens.frames_BTHW.shape == (2, num_frames, 4, 4)


@torch.inference_mode()
def test_decoding_the_tokens_is_exactly_the_reconstruction(model: VQVAE) -> None:
    model.eval()
    frames = clips(2, 5)
    result = model(frames)
    assert torch.equal(model.encode(frames).frames_BTHW, result.tokens.frames_BTHW)
    assert torch.equal(model.decode(result.tokens), result.frames_BTCHW)


def test_the_order_of_frames_and_clips_is_kept(model: VQVAE) -> None:
    model.eval()
    frames = clips(3, 4)
    tokens = model.encode(frames).frames_BTHW
    assert torch.equal(tokens[1, 2], model.encode(frames[1:2, 2:3]).frames_BTHW[0, 0])
    pairs = torch.stack([frames[2], frames[0]])
    torch.testing.assert_close(model(pairs).frames_BTCHW[0], model(frames).frames_BTCHW[2])


def test_tokens_outside_the_codebook_are_refused(model: VQVAE) -> None:
    for token in (-1, 32):
        with pytest.raises(ValueError, match=r"\[0, 32\)"):
            model.decode(Tokens(torch.full((1, 1, 4, 4), token)))


def test_the_gradient_reaches_every_parameter(model: VQVAE) -> None:
    loss = TokenizerLoss(LossConfig(perceptual_weight=0), None)
    for _ in range(2):  # layers that start at zero pass a gradient on from the second step
        result = model(clips(2, 5))
        loss(clips(2, 5), result).total.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(1e-2 * parameter.grad)
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A softmax does not see a constant added to all its keys.
    assert [name for name in without if not name.endswith("attn_1.k.bias") and ".attn." not in name] == []


def test_without_quantization_nothing_is_quantized(model: VQVAE) -> None:
    result = model(clips(2, 1), quantized=False)
    assert result.tokens is None
    assert result.quantizer_loss == 0
    assert not torch.equal(result.frames_BTCHW, model(clips(2, 1)).frames_BTCHW)


def test_it_learns_to_tell_frames_apart(config: ClassicConfig) -> None:
    """Four coarse patterns: after some steps each reconstruction is nearest to its own frame, through the tokens.

    A pixel of a pattern is a token, in frames no larger than that takes.
    """
    patterns = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(2)).round() * 2 - 1
    frames = patterns.repeat_interleave(2, -1).repeat_interleave(2, -2)[:, None].expand(4, 2, 3, 8, 8)
    torch.manual_seed(0)
    sizes = {"resolution": 8, "channel_multipliers": (1, 2), "attention_resolutions": (4,)}
    model = VQVAE(config.model_copy(update=sizes))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, fused=True)
    loss = TokenizerLoss(LossConfig(perceptual_weight=0), None)
    for step in range(40):
        if step == 20:
            model.quantize.initialise(model.encode_latents(frames).movedim(1, -1).flatten(0, -2).detach())
        optimizer.zero_grad()
        loss(frames, model(frames, quantized=step >= 20)).total.backward()
        optimizer.step()
    fake = model.eval()(frames).frames_BTCHW.detach()
    distances = (fake[:, None] - frames[None]).abs().flatten(2).mean(-1)
    assert torch.equal(distances.argmin(1), torch.arange(4))
    assert distances.diag().max() < 0.5 < distances[~torch.eye(4, dtype=torch.bool)].min()


def test_the_loss_is_the_weighted_sum_of_its_parts(model: VQVAE) -> None:
    frames = clips(2, 1)
    result = model(frames)
    loss = TokenizerLoss(LossConfig(pixel_weight=2, perceptual_weight=0, codebook_weight=3), None)(frames, result)
    pixel = (result.frames_BTCHW - frames).abs().mean()
    torch.testing.assert_close(loss.total, 2 * pixel + 3 * result.quantizer_loss)
    torch.testing.assert_close(loss.parts["pixel"], pixel.detach())
    beta = model.quantize.config.commitment_weight
    expected = loss.parts.get("codebook", torch.zeros(())) + beta * loss.parts["commitment"]
    torch.testing.assert_close(result.quantizer_loss.detach(), expected)


def test_a_perceptual_weight_needs_its_network() -> None:
    with pytest.raises(ValueError, match="perceptual_weight"):
        TokenizerLoss(LossConfig(perceptual_weight=1), None)
