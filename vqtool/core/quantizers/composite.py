"""What the quantizers made of other quantizers share: one list of codes, one token grid."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vqtool.core.quantizers.base import Choice, Quantizer


class CompositeQuantizer(Quantizer):
    """Several quantizers of one kind that each give tokens for every position.

    The tokens of member i come after those of the members before it, so each code of each member has a number of its
    own: K is the sum over members, usage and perplexity are over all codes, and one table `codes_KD` decodes. In the
    grid the members' tokens lie below one another.
    """

    def __init__(self, members: Sequence[Quantizer]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.codebook_size = sum(member.codebook_size for member in members)
        self.codes_per_position = sum(member.codes_per_position for member in members)
        self.warmup_steps = max(member.warmup_steps for member in members)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Those of the members."""
        return tuple(size for member in self.each() for size in member.codebook_sizes)

    def each(self) -> list[Quantizer]:
        """The members."""
        return [member for member in self.members if isinstance(member, Quantizer)]

    @property
    def codes_KD(self) -> Tensor:
        """The members' codes, one after another."""
        return torch.cat([member.codes_KD for member in self.each()])

    @property
    def is_initialised(self) -> bool:
        """Whether every member is."""
        return all(member.is_initialised for member in self.each())

    @property
    def num_initial_vectors(self) -> int:
        """As many as the member that wants most."""
        return max(member.num_initial_vectors for member in self.each())

    def split_tokens(self, tokens_NP: Tensor) -> list[Tensor]:
        """Each member's own tokens.

        Raises:
            ValueError: a token that is another member's, or nobody's.
        """
        widths = [member.codes_per_position for member in self.each()]
        parts, first = [], 0
        for member, tokens in zip(self.each(), torch.split(tokens_NP, widths, dim=1), strict=True):
            if tokens.numel() and not (tokens.min() >= first and tokens.max() < first + member.codebook_size):
                raise ValueError(f"tokens of this row must be in [{first}, {first + member.codebook_size})")
            parts.append(tokens - first)
            first += member.codebook_size
        return parts

    def merge(self, codes_ND: Tensor, choices: Sequence[Choice]) -> Choice:
        """The members' choices as one: losses are means, so that weights mean the same for any number of members."""
        firsts = [0]
        for member in self.each()[:-1]:
            firsts.append(firsts[-1] + member.codebook_size)
        return Choice(
            codes_ND=codes_ND,
            tokens_NP=torch.cat([c.tokens_NP + first for c, first in zip(choices, firsts, strict=True)], dim=1),
            loss=torch.stack([choice.loss for choice in choices]).mean(),
            parts={name: torch.stack([choice.parts[name] for choice in choices]).mean() for name in choices[0].parts},
            num_revived=torch.stack([choice.num_revived for choice in choices]).sum(),
        )
