"""The discriminator's side of training: when it learns, what it teaches the tokenizer, and its state."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vqtool.core.config import LossConfig, OptimConfig
from vqtool.core.device import autocast
from vqtool.core.distributed import Processes
from vqtool.core.losses import Loss
from vqtool.core.losses.adversarial import Lecam, adaptive_weight, discriminator_hinge, generator_hinge
from vqtool.core.networks.discriminator import build_discriminator
from vqtool.core.tokenizers import Tokenizer
from vqtool.training.adamw import adamw

ALONE = Processes()


class Adversary:
    """A discriminator with its own optimiser, trained in turns with a tokenizer (Esser et al. 2021, section 3.1).

    It learns from `adversarial_start` of the whole run on, stages included, and is part of the tokenizer's loss
    `discriminator_warmup` later. In each batch the tokenizer gets the gradient of the discriminator as it is, then the
    discriminator that of telling the batch's frames from their reconstruction; both take their optimiser step at the
    end of the step.

    Raises:
        ConfigError: frames of `resolution` pixels are too small for the discriminator.
    """

    def __init__(
        self,
        config: LossConfig,
        optim: OptimConfig,
        resolution: int,
        device: torch.device,
        precision: torch.dtype,
        processes: Processes = ALONE,
    ) -> None:
        self._config, self._clip_norm = config, optim.clip_norm or float("inf")
        self._device, self._precision, self._processes = device, precision, processes
        # Until it teaches, the tokenizer trains as it would without it: its weights take no draws from the others.
        with torch.random.fork_rng(devices=[]):
            self.discriminator = build_discriminator(config, resolution).to(device)
        self.optimizer = adamw(self.discriminator.parameters(), optim)
        self.lecam = Lecam(processes).to(device)

    def learns(self, share_done: float) -> bool:
        """Whether it takes part when `share_done` in [0, 1] of the run is over."""
        return share_done >= self._config.adversarial_start

    def teaches(self, share_done: float) -> bool:
        """Whether it is part of the tokenizer's loss then."""
        return share_done >= self._config.adversarial_start + self._config.discriminator_warmup

    def backward(self, model: Tokenizer, fake_BTCHW: Tensor, loss: Loss, scale: float) -> dict[str, Tensor]:
        """Gradients of the tokenizer's whole loss times `scale`; gives what the log says of the adversarial part.

        Each loss is followed back to the frames once; from there on, their sum is. The discriminator gets no gradient.
        """
        with autocast(self._device, self._precision):
            adversarial = generator_hinge(self.discriminator(fake_BTCHW))
        (of_loss,) = torch.autograd.grad(loss.total, fake_BTCHW)
        (of_adversary,) = torch.autograd.grad(adversarial, fake_BTCHW)
        weight = self._adaptive_weight(model, fake_BTCHW, of_loss, of_adversary)
        whole = of_loss + self._config.adversarial_weight * weight * of_adversary
        if loss.of_codes.requires_grad:
            torch.autograd.backward([fake_BTCHW, loss.of_codes], [whole * scale, loss.of_codes.new_tensor(scale)])
        else:
            torch.autograd.backward(fake_BTCHW, whole * scale)
        return {"adversarial": adversarial.detach(), "adversary/weight": weight}

    def _adaptive_weight(self, model: Tokenizer, fake: Tensor, of_loss: Tensor, of_adversary: Tensor) -> Tensor:
        layer = model.last_layer
        if layer is None or not layer.requires_grad:
            return fake.new_ones(())
        (at_layer,) = torch.autograd.grad(fake, layer, of_loss, retain_graph=True)
        (adversarial_at_layer,) = torch.autograd.grad(fake, layer, of_adversary, retain_graph=True)
        limit = self._config.adversarial_weight_limit
        return adaptive_weight(at_layer, adversarial_at_layer, limit, self._processes)

    def learn(self, real_BTCHW: Tensor, fake_BTCHW: Tensor, scale: float) -> dict[str, Tensor]:
        """Gradients of the discriminator's loss times `scale`; gives what the log says of it.

        The tokenizer gets no gradient.
        """
        with autocast(self._device, self._precision):
            both = torch.cat([real_BTCHW, fake_BTCHW.detach()])
            real_logits, fake_logits = self.discriminator(both).float().chunk(2)
        hinge = discriminator_hinge(real_logits, fake_logits)
        parts = {"discriminator": hinge.detach()}
        total = hinge
        if self._config.lecam_weight:
            lecam = self.lecam(real_logits, fake_logits)
            total = total + self._config.lecam_weight * lecam
            parts["lecam"] = lecam.detach()
        torch.autograd.backward(total * scale)
        means = {"real_logits": real_logits.detach().mean(), "fake_logits": fake_logits.detach().mean()}
        return parts | {f"adversary/{name}": mean for name, mean in means.items()}

    def clip(self) -> Tensor:
        """Average the gradient over the processes and clip it; gives its norm before clipping."""
        parameters = list(self.discriminator.parameters())
        self._processes.average_([p.grad for p in parameters if p.grad is not None])
        return nn.utils.clip_grad_norm_(parameters, self._clip_norm, foreach=True).double()

    def update(self, lr: float, skip: bool) -> None:
        """Apply the gradient at the tokenizer's learning rate, unless it is to be skipped."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if not skip:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Any]:
        """What an exact resume needs."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "lecam": self.lecam.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`.

        Raises:
            KeyError, RuntimeError, ValueError: it is that of another discriminator.
        """
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.lecam.load_state_dict(state["lecam"])
