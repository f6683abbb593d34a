"""Hinge losses, adaptive weight and LeCAM, by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vqtool.core.distributed import Processes
from vqtool.core.losses.adversarial import Lecam, adaptive_weight, discriminator_hinge, generator_hinge
from vqtool.core.losses.running import RunningAverage


def test_the_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 1.0, 0.5, -1.0]), torch.tensor([-3.0, -0.5, 1.0])
    # Real: 0, 0, 0.5, 2; reconstructed: 0, 0.5, 2.
    assert float(discriminator_hinge(real, fake)) == pytest.approx((2.5 / 4 + 2.5 / 3) / 2)
    assert float(generator_hinge(fake)) == pytest.approx(2.5 / 3)
    assert float(discriminator_hinge(torch.zeros(3), torch.zeros(3))) == 1


def test_a_patch_that_is_judged_well_enough_has_no_gradient() -> None:
    logits = torch.tensor([1.5, 0.5], requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator_hinge(logits, torch.tensor([-2.0])), logits)
    assert gradient.tolist() == [0, -0.25]


def test_the_adaptive_weight_is_the_ratio_of_the_norms() -> None:
    torch.manual_seed(0)
    layer, judge = nn.Linear(4, 3), nn.Linear(3, 1)
    fake = layer(torch.randn(5, 4))
    losses = (fake - torch.randn(5, 3)).abs().mean(), -judge(fake).mean()
    gradients = [torch.autograd.grad(loss, layer.weight, retain_graph=True)[0] for loss in losses]
    expected = np.linalg.norm(gradients[0].numpy()) / np.linalg.norm(gradients[1].numpy())
    assert float(adaptive_weight(*gradients, limit=100)) == pytest.approx(expected, rel=1e-4)
    assert float(adaptive_weight(*gradients, limit=expected / 2)) == pytest.approx(expected / 2)
    assert float(adaptive_weight(gradients[0], torch.zeros(3, 4), limit=7)) == 7
    assert float(adaptive_weight(torch.zeros(3, 4), gradients[1], limit=7)) == 0


def test_lecam_by_hand() -> None:
    lecam = Lecam()
    batches = [([1.0, 3.0], [-1.0, 0.0]), ([2.0, 6.0], [-2.0, -4.0]), ([0.0, 0.0], [1.0, 2.0])]
    reals, fakes = [], []
    for real, fake in batches:
        reals.append(np.mean(real))
        fakes.append(np.mean(fake))
        # Over so few batches the running means are plain ones.
        expected = np.mean((np.array(real) - np.mean(fakes)) ** 2) + np.mean((np.array(fake) - np.mean(reals)) ** 2)
        assert float(lecam(torch.tensor(real), torch.tensor(fake))) == pytest.approx(expected, rel=1e-5)


def test_lecam_has_no_gradient_through_its_means() -> None:
    lecam = Lecam()
    real, fake = torch.tensor([2.0, 4.0], requires_grad=True), torch.tensor([-1.0, 0.0], requires_grad=True)
    of_real, of_fake = torch.autograd.grad(lecam(real, fake), (real, fake))
    torch.testing.assert_close(of_real, real.detach() + 0.5)
    torch.testing.assert_close(of_fake, fake.detach() - 3)


def test_a_running_average_is_a_mean_that_starts_to_fade() -> None:
    average = RunningAverage(1, 0.75, Processes())
    found = [float(average.update(torch.tensor([value]))) for value in (4.0, 2.0, 0.0, 8.0, 3.0)]
    expected = [4, 3, 2, 0.75 * 2 + 0.25 * 8]
    assert found == pytest.approx([*expected, 0.75 * expected[-1] + 0.25 * 3])


def test_a_batch_that_is_not_finite_is_told_but_not_kept() -> None:
    average = RunningAverage(2, 0.9, Processes())
    average.update(torch.tensor([1.0, 2.0]))
    before = {name: value.clone() for name, value in average.state_dict().items()}
    assert average.update(torch.tensor([5.0, float("nan")])).isnan().any()
    assert all(torch.equal(value, before[name]) for name, value in average.state_dict().items())


class Other(Processes):
    """Two processes of which the other brings `values`."""

    values: Tensor

    def average_(self, tensors: list[Tensor]) -> None:
        tensors[0].add_(self.values).div_(2)


def test_all_processes_get_the_weight_of_the_whole_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    mine, others = torch.randn(2, 2, 3, 4, generator=generator)
    processes = Other(0, 2)
    object.__setattr__(processes, "values", others)
    whole = (mine + others) / 2
    expected = float(whole[0].norm() / whole[1].norm())
    assert float(adaptive_weight(mine[0], mine[1], 100, processes)) == pytest.approx(expected, rel=1e-4)
