"""Which tokens can stand where: the grids of a tokenizer and the codes that each block of their rows is drawn from."""

from dataclasses import dataclass

from vqtool.codec.codebook import outermost_quantizers
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.quantizers import Quantizer


@dataclass(frozen=True)
class Alphabet:
    """`size` tokens from `first` on."""

    first: int
    size: int


@dataclass(frozen=True)
class Grid:
    """Rows and columns of tokens; equal blocks of rows, from the top, draw from one alphabet each."""

    rows: int
    columns: int
    alphabets: tuple[Alphabet, ...]

    @property
    def num_tokens(self) -> int:
        """Tokens of the grid."""
        return self.rows * self.columns

    def tiled(self, down: int, across: int) -> "Grid":
        """The grid of `down` x `across` tiles side by side; each block of rows keeps its alphabet."""
        return Grid(self.rows * down, self.columns * across, self.alphabets)


def grids_of(tokenizer: LoadedTokenizer) -> tuple[Grid, Grid | None]:
    """The grid of a frame's tokens, and that of a segment's context where there is one."""
    layout, quantizers = tokenizer.layout, outermost_quantizers(tokenizer.model)
    offsets = [sum(quantizer.codebook_size for quantizer in quantizers[:index]) for index in range(len(quantizers))]
    # A context's tokens count first.
    frames = Grid(*layout.grid, _alphabets(quantizers[-1], offsets[-1], layout.grid[0]))
    if layout.context_grid is None:
        return frames, None
    return frames, Grid(*layout.context_grid, _alphabets(quantizers[0], offsets[0], layout.context_grid[0]))


def _alphabets(quantizer: Quantizer, offset: int, rows: int) -> tuple[Alphabet, ...]:
    """An alphabet a code of a position where each has a codebook of its own, else all codes for all rows."""
    sizes = quantizer.codebook_sizes
    if len(sizes) != quantizer.codes_per_position or rows % len(sizes):
        return (Alphabet(offset, quantizer.codebook_size),)
    return tuple(Alphabet(offset + sum(sizes[:index]), size) for index, size in enumerate(sizes))
