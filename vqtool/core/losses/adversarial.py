"""The adversarial loss of VQGAN: hinge losses, the adaptive weight, and LeCAM's regularisation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqtool.core.distributed import Processes
from vqtool.core.losses.running import RunningAverage

ADAPTIVE_EPSILON = 1e-6
LECAM_DECAY = 0.99
ALONE = Processes()


def discriminator_hinge(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """What the discriminator minimises (Lim and Ye 2017, eq. 14), halved as in VQGAN: a scalar >= 0 in fp32.

    0 where every real logit is above 1 and every other below -1, 1 where all are 0.
    """
    return (F.relu(1 - real_logits.float()).mean() + F.relu(1 + fake_logits.float()).mean()) / 2


def generator_hinge(fake_logits: Tensor) -> Tensor:
    """What the tokenizer minimises (Lim and Ye 2017, eq. 15): a scalar in fp32."""
    return -fake_logits.float().mean()


def adaptive_weight(
    reconstruction_gradient: Tensor, adversarial_gradient: Tensor, limit: float, processes: Processes = ALONE
) -> Tensor:
    """The weight that gives both losses the same say at the decoder's last layer (Esser et al. 2021, eq. 7).

    The ratio of the norms of their gradients there, at most `limit`: a scalar in fp32. Of several processes each
    brings the gradients of its part of the batch, and all get the weight of the whole.
    """
    both = torch.stack([reconstruction_gradient, adversarial_gradient]).detach().float()
    processes.average_([both])
    norms: Tensor = torch.linalg.vector_norm(both.flatten(1), dim=1)
    return (norms[0] / (norms[1] + ADAPTIVE_EPSILON)).clamp(max=limit)


class Lecam(nn.Module):
    """LeCAM (Tseng et al. 2021, eq. 3): holds the logits of each side near the running mean of the other's.

    It keeps a discriminator that has seen few data from being ever surer of itself.
    """

    def __init__(self, processes: Processes = ALONE) -> None:
        super().__init__()
        self.means = RunningAverage(2, LECAM_DECAY, processes)

    def forward(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Take in a batch's logits; gives the regularisation, a scalar >= 0 in fp32."""
        real, fake = real_logits.float(), fake_logits.float()
        mean_of_real, mean_of_fake = self.means.update(torch.stack([real.mean(), fake.mean()]))
        distance: Tensor = (real - mean_of_fake).square().mean() + (fake - mean_of_real).square().mean()
        return distance
