"""Clip decoders of both families, causal and not: what a frame depends on, and that they extend the frame decoders."""

import pytest
import torch
from torch import nn

from vqtool.core.config import ClassicConfig, Decoder3dConfig, EmaConfig, PatchConfig
from vqtool.core.config_file import load_config
from vqtool.core.networks.patch import PatchDecoder, PatchEncoder
from vqtool.core.quantizers import build_quantizer
from vqtool.core.tokenizers import FrameTokenizer, Tokens, build_tokenizer
from vqtool.errors import ConfigError

NUM_FRAMES = 7
CODES = EmaConfig(codebook_size=16, code_dim=4)


def config(family: str, decoder: Decoder3dConfig | None = None) -> ClassicConfig | PatchConfig:
    settings = {"resolution": 16, "channels": 8, "channel_multipliers": (1, 2), "num_res_blocks": 1, "quantizer": CODES}
    if decoder is not None:
        settings["decoder"] = decoder
    if family == "patch":
        return PatchConfig(patch_size=2, **settings)
    return ClassicConfig(attention_resolutions=(16,), latent_channels=4, **settings)


def tokenizer(family: str, causal: bool) -> FrameTokenizer:
    """A clip decoder whose temporal layers do something from the start."""
    torch.manual_seed(0)
    decoder = Decoder3dConfig(window_frames=4, window_size=4, attention_heads=2, causal=causal)
    model = build_tokenizer(config(family, decoder))
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    assert isinstance(model, FrameTokenizer)
    return model.eval()


def random_tokens(model: FrameTokenizer, num_frames: int = NUM_FRAMES) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(16, (1, num_frames, model.grid_size, model.grid_size), generator=generator)


@pytest.fixture(params=["classic", "patch"])
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@torch.inference_mode()
@pytest.mark.parametrize("frame", [1, 4, 6])
def test_a_later_frame_leaves_earlier_ones_exactly_as_they_were(family: str, frame: int) -> None:
    model = tokenizer(family, causal=True)
    tokens = random_tokens(model)
    changed = tokens.clone()
    changed[:, frame] = (changed[:, frame] + 1) % 16
    before, after = model.decode(Tokens(tokens)), model.decode(Tokens(changed))
    assert torch.equal(before[:, :frame], after[:, :frame])
    moved = (before - after).abs().amax(dim=(0, 2, 3, 4)) > 1e-6
    assert moved[frame : frame + 3].all()


@torch.inference_mode()
def test_without_causal_earlier_frames_see_later_ones(family: str) -> None:
    model = tokenizer(family, causal=False)
    tokens = random_tokens(model)
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 16
    assert not torch.equal(model.decode(Tokens(tokens))[:, 3], model.decode(Tokens(changed))[:, 3])


@torch.inference_mode()
@pytest.mark.parametrize("num_frames", [1, 3, 5])
def test_a_causal_clip_may_be_cut_anywhere(family: str, num_frames: int) -> None:
    model = tokenizer(family, causal=True)
    tokens = random_tokens(model)
    long, short = model.decode(Tokens(tokens)), model.decode(Tokens(tokens[:, :num_frames]))
    torch.testing.assert_close(short, long[:, :num_frames], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 5])
def test_causal_gradients_are_finite_and_reach_the_temporal_layers(family: str, num_frames: int) -> None:
    model = tokenizer(family, causal=True)
    model.decode(Tokens(random_tokens(model, num_frames))).square().mean().backward()
    gradients = {name: p.grad for name, p in model.decoder.named_parameters() if "temporal" in name}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    assert all(gradient.any() for name, gradient in gradients.items() if name.endswith("position"))


def test_the_weights_of_the_frame_decoder_fit_and_mean_the_same() -> None:
    """For the patch family; the classic one has the same test beside its networks."""
    torch.manual_seed(0)
    frame, clip = build_tokenizer(config("patch")), build_tokenizer(config("patch", Decoder3dConfig()))
    missing, unexpected = clip.load_state_dict(frame.state_dict(), strict=False)
    assert unexpected == []
    assert missing
    assert all(name.startswith("decoder.temporal.") for name in missing)
    frames = torch.rand(2, 3, 3, 16, 16) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(clip.eval()(frames).frames_BTCHW, frame.eval()(frames).frames_BTCHW)


def test_a_seed_gives_the_patch_tokenizer_of_frames_the_weights_it_always_gave() -> None:
    torch.manual_seed(3)
    weights = build_tokenizer(config("patch")).state_dict()
    torch.manual_seed(3)
    quantize, encoder = build_quantizer(CODES), PatchEncoder(3, 2, (8, 16), 1, 4)
    decoder = PatchDecoder(4, 2, (8, 16), 1, 3)
    parts = {"quantize": quantize, "encoder": encoder, "decoder": decoder}
    expected = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    assert list(weights) == list(expected)
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(
    "settings",
    [["model.kind=patch", "model.channels=6"], ["model.kind=classic", "model.channels=5", "model.resolution=32"]],
)
def test_heads_that_do_not_divide_the_channels_are_refused(settings: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"decoder\.attention_heads 7 does not divide"):
        load_config(None, [*settings, "model.decoder.kind=3d", "model.decoder.attention_heads=7"])
