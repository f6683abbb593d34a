"""LPIPS: its arithmetic against a plain second computation, its gradient, and that nothing around can change it."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.features.lpips import LPIPS, _UnitDistance
from vqtool.core.losses.perceptual import PerceptualLoss
from vqtool.errors import ConfigError, WeightsError

VGG16_LAYOUT = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)


def pair(num: int, size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real = torch.rand(num, 3, size, size, generator=generator) * 2 - 1
    noise = torch.randn(num, 3, size, size, generator=generator)
    return real, (real + 0.3 * noise).clamp(-1, 1)


def plain_lpips(net: LPIPS, real: Tensor, fake: Tensor) -> Tensor:
    """The paper's equation 1 in float64, written down from the paper and the published layout."""
    state = {name: value.double() for name, value in net.state_dict().items()}
    convs = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]

    def features(x: Tensor) -> list[Tensor]:
        mean, deviation = (torch.tensor(v, dtype=torch.float64) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        x = ((x.double() + 1) / 2 - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
        taps, conv = [], iter(convs)
        for step in (*VGG16_LAYOUT, "M"):
            if step == "M":
                taps.append(x)
                x = F.max_pool2d(x, 2)
            else:
                name = next(conv)
                x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1).relu()
        return taps

    total = torch.zeros(len(real), dtype=torch.float64)
    for layer, (a, b) in enumerate(zip(features(real), features(fake), strict=True)):
        a, b = (f / f.square().sum(dim=1, keepdim=True).sqrt() for f in (a, b))
        weighted = state[f"heads.{layer}"].view(1, -1, 1, 1) * (a - b) ** 2
        total = total + weighted.sum(dim=1).mean(dim=(1, 2))
    return total


def test_distance_and_gradient_equal_a_plain_computation(random_lpips: LPIPS) -> None:
    real, fake = pair(2, 32)
    ours_at, plain_at = fake.clone().requires_grad_(), fake.clone().requires_grad_()
    ours, plain = random_lpips(real, ours_at), plain_lpips(random_lpips, real, plain_at)
    # The published shift and scale are the ImageNet statistics rounded to three digits: a relative error of 1e-3.
    torch.testing.assert_close(ours.double(), plain, rtol=2e-3, atol=0)
    (ours * torch.tensor([1.0, 3.0])).sum().backward()
    (plain * torch.tensor([1.0, 3.0])).sum().backward()
    ratio = (ours_at.grad - plain_at.grad).norm() / plain_at.grad.norm()
    assert ratio < 2e-2


def test_the_hand_written_gradient_is_the_derivative() -> None:
    torch.manual_seed(2)
    a, b, weight = torch.rand(2, 5, 3, 2), torch.rand(2, 5, 3, 2, requires_grad=True), torch.rand(5)
    b_plain = b.detach().double().requires_grad_()
    plain = (
        weight.double().view(5, 1, 1)
        * (a.double() / a.double().norm(dim=1, keepdim=True) - b_plain / b_plain.norm(dim=1, keepdim=True)) ** 2
    ).sum(dim=1)
    ours = _UnitDistance.apply(a, b, weight)
    torch.testing.assert_close(ours.double(), plain, rtol=1e-5, atol=1e-6)
    upstream = torch.rand(2, 3, 2)
    ours.backward(upstream)
    plain.backward(upstream.double())
    torch.testing.assert_close(b.grad.double(), b_plain.grad, rtol=1e-4, atol=1e-6)


def test_the_distance_of_bf16_features_is_computed_in_fp32() -> None:
    a, b = torch.rand(2, 1, 64, 4, 4).bfloat16()
    weight = torch.rand(64)
    assert torch.equal(_UnitDistance.apply(a, b, weight), _UnitDistance.apply(a.float(), b.float(), weight))


def test_dead_positions_give_a_finite_gradient() -> None:
    b = torch.zeros(1, 4, 2, 2, requires_grad=True)
    _UnitDistance.apply(torch.rand(1, 4, 2, 2), b, torch.rand(4)).sum().backward()
    assert (b.grad == 0).all()


def test_identical_images_are_at_distance_zero_and_others_are_not(random_lpips: LPIPS) -> None:
    real, fake = pair(3, 16)
    assert (random_lpips(real, real) == 0).all()
    assert (random_lpips(real, fake) > 0).all()
    torch.testing.assert_close(random_lpips(real, fake), random_lpips(fake, real))


def test_each_image_is_scored_alone(random_lpips: LPIPS) -> None:
    real, fake = pair(3, 16)
    alone = torch.cat([random_lpips(real[i : i + 1], fake[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(random_lpips(real, fake), alone, rtol=1e-5, atol=1e-7)


def test_the_network_stays_frozen_and_in_evaluation_mode() -> None:
    net = LPIPS()
    outer = nn.ModuleList([PerceptualLoss(net)])
    outer.train()
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_gradient_reaches_the_reconstruction_only(random_lpips: LPIPS) -> None:
    real, fake = (x.requires_grad_() for x in pair(2, 16))
    random_lpips(real, fake).sum().backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0
    assert not random_lpips(real, fake.detach()).requires_grad
    with torch.no_grad():
        assert not random_lpips(real, fake).requires_grad


def test_under_bf16_autocast_the_distance_stays_fp32_and_close(random_lpips: LPIPS) -> None:
    real, fake = pair(2, 32)
    exact = random_lpips(real, fake)
    fake.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        fast = random_lpips(real, fake)
    assert fast.dtype == torch.float32
    assert not torch.equal(fast, exact), "the convolutions were to run in bf16"
    torch.testing.assert_close(fast, exact, rtol=2e-2, atol=0)
    fast.sum().backward()
    assert fake.grad.dtype == torch.float32
    assert fake.grad.isfinite().all()


def test_images_under_16_pixels_and_unequal_shapes_are_errors(random_lpips: LPIPS) -> None:
    assert random_lpips(*pair(1, 16)).shape == (1,)
    with pytest.raises(ConfigError, match="at least 16 x 16 pixels"):
        random_lpips(*pair(1, 15))
    with pytest.raises(ValueError, match=r"\(2, 3, 16, 16\) and \(1, 3, 16, 16\)"):
        random_lpips(pair(2, 16)[0], pair(1, 16)[0])


def test_perceptual_loss_is_the_mean_over_clips_and_frames(random_lpips: LPIPS) -> None:
    real, fake = pair(6, 16)
    clips = real.view(2, 3, 3, 16, 16), fake.view(2, 3, 3, 16, 16)
    torch.testing.assert_close(PerceptualLoss(random_lpips)(*clips)["perceptual"], random_lpips(real, fake).mean())


def test_from_file_loads_what_was_saved_and_draws_no_random_numbers(random_lpips: LPIPS, tmp_path: Path) -> None:
    path = tmp_path / "lpips.safetensors"
    safetensors.torch.save_file({k: v.contiguous() for k, v in random_lpips.state_dict().items()}, path)
    torch.manual_seed(3)
    loaded = LPIPS.from_file(path)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    assert torch.equal(loaded(*pair(1, 16)), random_lpips(*pair(1, 16)))


def test_from_file_refuses_files_that_are_not_this_network(random_lpips: LPIPS, tmp_path: Path) -> None:
    state = {k: v.contiguous() for k, v in random_lpips.state_dict().items()}
    short, renamed, reshaped = dict(state), dict(state), dict(state)
    del short["heads.4"]
    renamed["other"] = renamed.pop("heads.4")
    reshaped["heads.4"] = torch.rand(7)
    path = tmp_path / "lpips.safetensors"
    for wrong in (short, renamed, reshaped):
        safetensors.torch.save_file(wrong, path)
        with pytest.raises(WeightsError, match="fetch-weights lpips"):
            LPIPS.from_file(path)
    path.write_bytes(path.read_bytes()[:1000])
    for damaged in (path, tmp_path / "absent.safetensors"):
        with pytest.raises(WeightsError, match=str(damaged)):
            LPIPS.from_file(damaged)
