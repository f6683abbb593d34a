"""The networks: the published sizes and names, and that a clip decoder really mixes frames the way it says."""

import pytest
import torch
from torch import Tensor, nn

from vqtool.core.config import ClassicConfig, Decoder3dConfig
from vqtool.core.networks.blocks import Downsample, SelfAttention
from vqtool.core.networks.decoder import Decoder
from vqtool.core.networks.decoder3d import Decoder3d
from vqtool.core.networks.encoder import Encoder
from vqtool.core.networks.patch import PatchDecoder, PatchEncoder
from vqtool.core.networks.temporal import TemporalConv, WindowAttention

SMALL = ClassicConfig(
    resolution=16, channels=8, channel_multipliers=(1, 2), num_res_blocks=1, attention_resolutions=(8,)
)


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_encoder_and_decoder_have_the_published_sizes() -> None:
    with torch.device("meta"):
        encoder, decoder = Encoder(ClassicConfig()), Decoder(ClassicConfig())
    assert round(num_parameters(encoder) / 1e6, 1) == 27.7
    assert round(num_parameters(decoder) / 1e6, 1) == 40.1


def test_parameter_names_are_those_of_published_vqgans() -> None:
    with torch.device("meta"):
        encoder, decoder = set(Encoder(ClassicConfig()).state_dict()), set(Decoder(ClassicConfig()).state_dict())
    block = {"down.0.block.0.norm1.weight", "mid.block_1.conv2.weight", "down.2.block.0.nin_shortcut.weight"}
    others = {"conv_in.weight", "down.0.downsample.conv.bias", "norm_out.bias", "conv_out.weight"}
    attention = {"down.2.attn.1.proj_out.weight", "mid.attn_1.q.weight"}
    assert block | others | attention <= encoder
    assert {"up.4.block.2.conv1.weight", "up.1.upsample.conv.weight", "up.2.attn.2.k.bias", "conv_out.bias"} <= decoder
    assert not any(name.startswith(("down.4.downsample", "down.1.attn")) for name in encoder)
    assert not any(name.startswith("up.0.upsample") for name in decoder)


@pytest.mark.parametrize(("patch_size", "widths"), [(1, (8, 8, 16)), (2, (8, 16)), (4, (8,))])
def test_any_split_of_the_downsampling_gives_the_same_grid(patch_size: int, widths: tuple[int, ...]) -> None:
    latents = PatchEncoder(3, patch_size, widths, 1, 6)(torch.randn(2, 3, 16, 24))
    assert latents.shape == (2, 6, 4, 6)
    torch.testing.assert_close(latents.mean(dim=1), torch.zeros(2, 4, 6), atol=1e-5, rtol=0)
    assert PatchDecoder(6, patch_size, widths, 1, 3)(latents).shape == (2, 3, 16, 24)


def test_self_attention_is_softmax_attention_over_positions() -> None:
    layer, x = SelfAttention(8), torch.randn(2, 8, 3, 5)
    h = layer.norm(x)
    q, k, v = (conv(h).flatten(2) for conv in (layer.q, layer.k, layer.v))
    weights = torch.softmax(torch.einsum("bci,bcj->bij", q, k) / 8**0.5, dim=-1)
    expected = x + layer.proj_out(torch.einsum("bij,bcj->bci", weights, v).view_as(x))
    torch.testing.assert_close(layer(x), expected)


def test_downsampling_pads_right_and_bottom() -> None:
    layer = Downsample(1)
    nn.init.zeros_(layer.conv.bias)
    nn.init.zeros_(layer.conv.weight)
    with torch.no_grad():
        layer.conv.weight[0, 0, 0, 0] = 1  # takes the top left pixel of each 3x3 patch
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(layer(x), x[:, :, ::2, ::2])


def with_random_ends(module: nn.Module) -> nn.Module:
    """Undo the zero initialisation of the last layers, so that the block does something."""
    for parameter in module.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return module


def clip_decoder() -> Decoder3d:
    config = SMALL.model_copy(update={"latent_channels": 6})
    decoder = Decoder3d(config, Decoder3dConfig(window_frames=2, window_size=4, attention_heads=2))
    with_random_ends(decoder)
    return decoder.eval()


def test_a_clip_decoder_starts_as_the_frame_decoder_it_extends() -> None:
    config = SMALL.model_copy(update={"latent_channels": 6})
    clip = Decoder3d(config, Decoder3dConfig(attention_heads=2)).eval()
    frame = Decoder(config).eval()
    frame.load_state_dict(clip.state_dict(), strict=False)
    latents = torch.randn(6, 6, 8, 8)
    assert torch.equal(clip(latents, 3), frame(latents, 1))


def test_a_clip_decoder_uses_other_frames_of_its_clip_and_of_no_other() -> None:
    decoder = clip_decoder()
    latents = torch.randn(2, 5, 6, 8, 8)
    changed = latents.clone()
    changed[0, 2] += 1

    def frames(latents: Tensor) -> Tensor:
        return decoder(latents.flatten(0, 1), 5).unflatten(0, (2, 5))

    moved = (frames(changed) - frames(latents)).abs().amax(dim=(2, 3, 4)) > 1e-6
    assert moved[0].all()
    assert not moved[1].any()


def test_windows_of_the_stages_lie_across_each_other() -> None:
    """The middle cuts a clip at even frames, the later stages half a window on, so that information crosses."""
    decoder = clip_decoder()
    assert decoder.temporal_mid.attn is not None
    assert not decoder.temporal_mid.attn.shifted
    with_attention = [block.attn for block in decoder.temporal_up if block.attn is not None]
    assert [attention.shifted for attention in with_attention] == [True]


def test_a_clip_decoder_takes_single_frames_and_any_length() -> None:
    decoder = clip_decoder()
    for num_frames in (1, 2, 3, 7):
        assert decoder(torch.randn(num_frames, 6, 8, 8), num_frames).shape == (num_frames, 3, 16, 16)


@pytest.mark.parametrize("causal", [False, True])
def test_temporal_convolution_equals_a_3d_convolution(causal: bool) -> None:
    layer = TemporalConv(8, kernel=3, causal=causal)
    with_random_ends(layer)
    x = torch.randn(2 * 5, 8, 3, 4)
    h = nn.functional.silu(layer.norm(x)).unflatten(0, (2, 5)).transpose(1, 2)
    h = nn.functional.pad(h, (0, 0, 0, 0, 2, 0) if causal else (0, 0, 0, 0, 1, 1))
    weight = layer.conv.weight.view(8, 3, 8).transpose(1, 2)[..., None, None]
    expected = nn.functional.conv3d(h, weight, layer.conv.bias)
    torch.testing.assert_close(layer(x, 5), x + expected.transpose(1, 2).flatten(0, 1))


def brute_force_attention(layer: WindowAttention, x: Tensor, num_frames: int) -> Tensor:
    """Position by position: which others share its window, and softmax attention over those."""
    size = (num_frames, *x.shape[-2:])
    h = layer.norm(x).unflatten(0, (-1, num_frames)).permute(0, 1, 3, 4, 2)
    offset = [w // 2 if layer.shifted and n > w else 0 for n, w in zip(size, layer.window, strict=True)]
    if layer.causal and layer.shifted:
        offset[0] = layer.window[0] // 2
    positions = list(torch.cartesian_prod(*(torch.arange(n) for n in size)).tolist())
    shifted = [[p + o for p, o in zip(position, offset, strict=True)] for position in positions]
    window = [tuple(p // w for p, w in zip(position, layer.window, strict=True)) for position in shifted]
    t, rows, columns = layer.window
    inside = [(p[0] % t) * rows * columns + (p[1] % rows) * columns + p[2] % columns for p in shifted]
    tokens = h.flatten(1, 3) + layer.position[inside]
    q, k, v = (part.unflatten(-1, (layer.num_heads, -1)) for part in layer.qkv(tokens).chunk(3, dim=-1))
    together = torch.tensor([[a == b for b in window] for a in window])
    if layer.causal:
        together &= torch.tensor([[p[0] >= q[0] for q in positions] for p in positions])
    scores = torch.einsum("bimc,bjmc->bmij", q, k) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~together, -torch.inf).softmax(-1)
    out = layer.proj_out(torch.einsum("bmij,bjmc->bimc", weights, v).flatten(2))
    return x + out.view_as(h).permute(0, 1, 4, 2, 3).flatten(0, 1)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(4, 4, 4), (5, 4, 6), (1, 2, 3), (3, 8, 8)])
def test_window_attention_sees_exactly_its_window(size: tuple[int, int, int], shifted: bool, causal: bool) -> None:
    layer = WindowAttention(8, (2, 4, 4), num_heads=2, shifted=shifted, causal=causal)
    with_random_ends(layer)
    x = torch.randn(2 * size[0], 8, *size[1:])
    torch.testing.assert_close(layer(x, size[0]), brute_force_attention(layer, x, size[0]), atol=1e-5, rtol=1e-4)


def test_a_patch_starts_flat() -> None:
    """Pixels of a patch start alike, or an untrained decoder paints a checkerboard that training has to undo."""
    frames = PatchDecoder(6, 4, (8,), 1, 3)(torch.randn(2, 6, 4, 4)).unflatten(3, (4, 4)).unflatten(2, (4, 4))
    torch.testing.assert_close(frames, frames[..., :1, :, :1].expand_as(frames))
