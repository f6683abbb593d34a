"""I3D: padding, pooling and folding against their definitions, and how the network behaves around them."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.features.i3d import I3D, MIXED_CHANNELS, _max_pool, _same, _Unit
from vqtool.errors import ConfigError, WeightsError

SIZE = 32


def tiny(seed: int = 0) -> I3D:
    """A narrow network whose features differ from clip to clip."""
    torch.manual_seed(seed)
    i3d = I3D(divisor=16, size=SIZE)
    for name, parameter in i3d.named_parameters():
        if name.endswith("weight"):
            nn.init.kaiming_normal_(parameter)
    return i3d


def published_like(i3d: I3D) -> dict[str, Tensor]:
    """Random tensors as they are published: unfolded."""
    tensors = {"logits.weight": torch.randn_like(i3d.logits.weight), "logits.bias": torch.randn_like(i3d.logits.bias)}
    for name, unit in i3d.named_modules():
        if isinstance(unit, _Unit):
            channels = len(unit.conv.weight)
            tensors[f"{name}.weight"] = torch.randn_like(unit.conv.weight)
            tensors[f"{name}.mean"], tensors[f"{name}.bias"] = torch.randn(2, channels)
            tensors[f"{name}.variance"] = torch.rand(channels)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (2, 2), (3, 1), (1, 1)])
@pytest.mark.parametrize("length", range(1, 20))
def test_same_padding_gives_a_position_for_every_stride_and_is_longer_at_the_end(
    length: int, kernel: int, stride: int
) -> None:
    before, after = _same(length, kernel, stride)
    positions = list(range(-before, length + after - kernel + 1, stride))
    assert len(positions) == np.ceil(length / stride)
    assert after - before in (0, 1)
    # No padding that no window needs.
    assert positions[-1] + kernel - length == after or after == 0


@pytest.mark.parametrize("shape", [(9, 7, 8), (12, 8, 7), (1, 2, 3), (5, 5, 5), (6, 6, 6)])
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_pooling_equals_padding_by_minus_infinity(
    shape: tuple[int, int, int], kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    x = torch.randn(2, 3, *shape) - 5
    pads = [side for n, k, s in reversed(list(zip(shape, kernel, stride, strict=True))) for side in _same(n, k, s)]
    expected = F.max_pool3d(F.pad(x, pads, value=-torch.inf), kernel, stride)
    assert torch.equal(_max_pool(x, kernel, stride), expected)
    assert expected.shape[2:] == tuple(-(-n // s) for n, s in zip(shape, stride, strict=True))


@pytest.mark.parametrize("frames", [9, 10])
def test_the_first_convolution_looks_where_tensorflow_does(frames: int) -> None:
    """One pixel is on, so the output shows which window saw it, by the definition of "SAME"."""
    unit = _Unit(1, 1, kernel=7, stride=2)
    nn.init.zeros_(unit.conv.bias)
    unit.conv.weight.data = torch.arange(1.0, 344).view(1, 1, 7, 7, 7)
    clip = torch.zeros(1, 1, frames, 8, 8)
    clip[0, 0, 0, 0, 0] = 1
    # Even lengths are padded by 2 before and 3 after, odd ones by 3 and 3.
    first = unit.conv.weight[0, 0, 2 if frames % 2 == 0 else 3, 2, 2]
    out = unit(clip)
    assert out[0, 0, 0, 0, 0] == first
    assert out.shape[2:] == (5, 4, 4)


def test_folding_equals_convolution_and_batch_normalisation() -> None:
    i3d = tiny()
    tensors = published_like(i3d)
    i3d.load_published(tensors)
    for name in ("Conv3d_2c_3x3", "Mixed_4d.Branch_1.1", "Mixed_5c.Branch_3"):
        unit = i3d.get_submodule(name)
        x = torch.randn(2, unit.conv.in_channels, 3, 4, 4, dtype=torch.float64)
        weight, mean, variance, bias = (tensors[f"{name}.{p}"].double() for p in ("weight", "mean", "variance", "bias"))
        plain = F.conv3d(x, weight, padding=unit.conv.padding)
        plain = F.relu(F.batch_norm(plain, mean, variance, None, bias, training=False, eps=1e-3))
        torch.testing.assert_close(unit(x.float()).double(), plain, rtol=1e-5, atol=1e-5)


def test_the_last_layers_equal_pooling_by_2x7x7_and_the_mean_over_time() -> None:
    i3d = I3D(divisor=16, size=224)
    deep: list[Tensor] = []
    handle = i3d.get_submodule("Mixed_5c").register_forward_hook(lambda *args: deep.append(args[2]))
    found = i3d(torch.rand(1, 17, 3, 16, 16) * 2 - 1)
    handle.remove()
    assert deep[0].shape[2:] == (3, 7, 7)
    expected = i3d.logits(F.avg_pool3d(deep[0], (2, 7, 7), stride=1)).mean(dim=2).flatten(1)
    torch.testing.assert_close(found, expected)


def test_it_has_the_published_layers() -> None:
    i3d = I3D()
    assert sum(p.numel() for p in i3d.parameters()) == 12_689_984
    assert [name for name, _ in i3d.named_children()][3:-1] == list(MIXED_CHANNELS)
    assert i3d.logits.weight.shape == (400, 1024, 1, 1, 1)


def test_each_clip_is_seen_alone_and_at_any_size() -> None:
    i3d = tiny()
    clips = torch.rand(3, 9, 3, 20, 28) * 2 - 1
    alone = torch.cat([i3d(clip[None]) for clip in clips])
    torch.testing.assert_close(i3d(clips), alone, rtol=1e-4, atol=1e-5)
    resized = F.interpolate(clips.flatten(0, 1), (SIZE, SIZE), mode="bilinear", align_corners=False)
    torch.testing.assert_close(i3d(resized.view(3, 9, 3, SIZE, SIZE)), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_frames", [9, 10, 12, 16, 17, 25])
def test_nine_frames_are_enough_and_eight_are_not(num_frames: int) -> None:
    i3d = tiny()
    assert i3d(torch.zeros(1, num_frames, 3, 8, 8)).isfinite().all()
    with pytest.raises(ConfigError, match=r"at least 9 frames \(got 8\)"):
        i3d(torch.zeros(1, 8, 3, 8, 8))


def test_the_order_of_frames_matters() -> None:
    i3d = tiny()
    clip = torch.rand(1, 9, 3, 8, 8)
    assert not torch.allclose(i3d(clip), i3d(clip.flip(1)), rtol=1e-4)


def test_it_stays_frozen_and_in_evaluation_mode_and_passes_a_gradient() -> None:
    i3d = tiny()
    nn.ModuleList([i3d]).train()
    assert not any(module.training for module in i3d.modules())
    assert not any(parameter.requires_grad for parameter in i3d.parameters())
    clip = torch.rand(1, 9, 3, 8, 8, requires_grad=True)
    i3d(clip).sum().backward()
    assert clip.grad.abs().sum() > 0


def test_from_file_draws_no_random_numbers_and_refuses_other_files(tmp_path: Path) -> None:
    path = tmp_path / "i3d.safetensors"
    tensors = published_like(I3D())
    safetensors.torch.save_file(tensors, path)
    torch.manual_seed(3)
    I3D.from_file(path)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    short, more, reshaped = dict(tensors), dict(tensors), dict(tensors)
    del short["Mixed_3b.Branch_0.mean"]
    more["other"] = torch.rand(1)
    reshaped["logits.bias"] = torch.rand(7)
    for wrong in (short, more, reshaped):
        safetensors.torch.save_file(wrong, path)
        with pytest.raises(WeightsError, match="fetch-weights i3d"):
            I3D.from_file(path)
    path.write_bytes(path.read_bytes()[:1000])
    for damaged in (path, tmp_path / "absent.safetensors"):
        with pytest.raises(WeightsError, match=str(damaged)):
            I3D.from_file(damaged)
