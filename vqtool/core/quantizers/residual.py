"""Codes of what earlier codes left: Zeghidour et al. 2021, "SoundStream: An End-to-End Neural Audio Codec"."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vqtool.core.config import ResidualConfig
from vqtool.core.quantizers.base import Choice, Quantizer, full_precision
from vqtool.core.quantizers.composite import CompositeQuantizer


class ResidualQuantizer(CompositeQuantizer):
    """The code is a sum: each level quantizes what the levels before it left (algorithm 1).

    The first rows of a token grid are the coarsest level. Levels without a scale of their own (fsq, bsq) see the rest
    enlarged to the range of their codes. The gradient passes once, around all levels.

    With quantizer dropout (section 3.4) the decoder gets only the first levels of some training batches, a random
    number of them, so that coarse codes mean something by themselves. Dropped levels still choose and learn: in a
    distributed run every process must go through every level.
    """

    def __init__(self, config: ResidualConfig, levels: Sequence[Quantizer]) -> None:
        super().__init__(levels)
        self.config = config
        self.code_dim = levels[0].code_dim
        self.gradient = levels[0].gradient

    def bound(self, latents_ND: Tensor) -> Tensor:
        """As the first level does; what is left of that needs none."""
        return self.each()[0].bound(latents_ND)

    @torch.no_grad()
    def initialise(self, vectors_ND: Tensor) -> None:
        """Place the codes level by level, each among what the levels before it leave."""
        training = self.training
        self.eval()  # placing is not a training step: usage must not move
        with full_precision(vectors_ND.device):
            rest_ND = self.bound(vectors_ND.float())
            for level, scale, centre in self._placed():
                level.initialise(rest_ND / scale + centre)
                rest_ND = rest_ND - scale * (level.choose(rest_ND / scale + centre).codes_ND - centre)
        self.train(training)

    def choose(self, latents_ND: Tensor) -> Choice:
        """Codes of all levels; in training of the first few only, at times."""
        kept, choices = self._draw_depth(), []
        codes_ND = kept_ND = torch.zeros_like(latents_ND)
        for number, (level, scale, centre) in enumerate(self._placed()):
            choice = level.choose((latents_ND - codes_ND) / scale + centre)
            codes_ND = codes_ND + scale * (choice.codes_ND.detach() - centre)
            kept_ND = codes_ND if number < kept else kept_ND
            choices.append(choice)
        return self.merge(kept_ND, choices)

    def look_up(self, tokens_NP: Tensor) -> Tensor:
        """The sum of the levels' codes."""
        codes_ND = tokens_NP.new_zeros((), dtype=torch.float32)
        for (level, scale, centre), tokens in zip(self._placed(), self.split_tokens(tokens_NP), strict=True):
            codes_ND = codes_ND + scale * (level.look_up(tokens) - centre)
        return codes_ND

    @property
    def codes_KD(self) -> Tensor:
        """The levels' codes, one after another, as they are summed."""
        return torch.cat([scale * (level.codes_KD - centre) for level, scale, centre in self._placed()])

    def _placed(self) -> list[tuple[Quantizer, Tensor | float, Tensor | float]]:
        """Each level with the length of its unit and the point of its range that means nothing is left."""
        first, *others = self.each()
        placed: list[tuple[Quantizer, Tensor | float, Tensor | float]] = [(first, 1.0, 0.0)]
        for level in others:
            before, scale, _ = placed[-1]
            placed.append((level, scale * before.remaining, level.centre))
        return placed

    def _draw_depth(self) -> int:
        """How many levels the decoder gets."""
        num_levels = len(self.members)
        if not self.training or not self.config.dropout or torch.rand(()) >= self.config.dropout:
            return num_levels
        return int(torch.randint(1, num_levels, ()))
