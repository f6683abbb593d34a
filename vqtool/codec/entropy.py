"""Entropy coding of token grids: an adaptive model of what recurs at a position, and range coding by its frequencies.

All frequencies are integers that sum to exactly 2^24, so that every machine codes alike. docs/formats.md says every
step; the range coder is that of the `constriction` package (Bamler 2022, arXiv 2201.01741).
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from constriction import stream
from numpy.typing import NDArray

from vqtool.codec.alphabet import Grid
from vqtool.errors import DataError

Counts = NDArray[np.int64]
Integers = NDArray[np.int64]

TOTAL = 1 << 24
"""The sum of the frequencies of a model."""
MAX_ALPHABET = 1 << 20
LAST, OTHER, NEW = range(3)
"""What a token is: that of the grid before at its position, the one before that one which differed, or neither."""
KIND_STEP, KIND_LIMIT = 32, 8192
VALUE_STEP, VALUE_LIMIT = 32, 1 << 30
UNIFORM_WEIGHT = 8
"""Of each code before anything was seen, where nothing was learned; a sight weighs VALUE_STEP."""
PRIOR_WEIGHT = 16
"""What all codes of a learned prior weigh together, for each code there is."""
NOTHING = -1


def frequencies(weights: Integers) -> Integers:
    """Integers of at least 1 that sum to TOTAL, as near to proportional to the weights (at least 0) as these go.

    f_i = 1 + floor(w_i (TOTAL - K) / W); what is left over goes to the first of the largest weights.
    """
    free = TOTAL - len(weights)
    shares: Integers = weights * free // weights.sum()
    shares[np.argmax(weights)] += free - shares.sum()
    shares += 1
    return shares


def _categorical(weights: Integers, lazy: bool) -> Any:
    # The package gives each symbol 1 and shares out TOTAL - K; given what sums to exactly that, it rounds nothing.
    return stream.model.Categorical((frequencies(weights) - 1).astype(np.float64), perfect=False, lazy=lazy)


class Coder(Protocol):
    """Codes symbols one after the other."""

    def code(self, model: Any, symbol: int) -> int:
        """Write `symbol`, or read one and ignore it; gives the symbol."""


class SymbolWriter:
    """Symbols to bytes."""

    def __init__(self) -> None:
        self._encoder = stream.queue.RangeEncoder()

    def code(self, model: Any, symbol: int) -> int:
        """Write `symbol`."""
        self._encoder.encode(symbol, model)
        return symbol

    def finish(self) -> bytes:
        """All that was written: 32-bit words, little-endian."""
        return bytes(np.asarray(self._encoder.get_compressed(), dtype="<u4").tobytes())


class SymbolReader:
    """Bytes to symbols; whatever it reads is written again, to see that these are the only bytes that say it."""

    def __init__(self, payload: bytes) -> None:
        self._payload, self._again = payload, SymbolWriter()
        self._decoder = stream.queue.RangeDecoder(np.frombuffer(payload, dtype="<u4").astype(np.uint32))

    def code(self, model: Any, symbol: int) -> int:
        """Read a symbol.

        Raises:
            DataError: no symbol has this code.
        """
        try:
            return self._again.code(model, int(self._decoder.decode(model)))
        except AssertionError as error:
            raise DataError("its tokens cannot be decoded") from error

    def finish(self) -> None:
        """Raises DataError where an encoder would have written other bytes."""
        if self._again.finish() != self._payload:
            raise DataError("its tokens are not coded as an encoder codes them")


class KindModel:
    """How often a token was LAST, OTHER or NEW in one situation."""

    def __init__(self) -> None:
        self.counts = [KIND_STEP, KIND_STEP // 4, KIND_STEP]

    def code(self, coder: Coder, kind: int) -> int:
        """Code a kind and learn from it."""
        kind = coder.code(_categorical(np.array(self.counts, dtype=np.int64), lazy=True), kind)
        self.counts[kind] += KIND_STEP
        if sum(self.counts) > KIND_LIMIT:
            self.counts = [(count + 1) // 2 for count in self.counts]
        return kind


class ValueModel:
    """How often each code of an alphabet came as NEW, from what is known before on; it learns grid by grid."""

    def __init__(self, size: int, prior: Counts | None) -> None:
        if size > MAX_ALPHABET:
            raise DataError(f"a codebook of {size:,} codes cannot be entropy-coded: at most {MAX_ALPHABET:,} can")
        self.weights = np.full(size, UNIFORM_WEIGHT, dtype=np.int64)
        if prior is not None and prior.sum() > 0:
            self.weights = 1 + prior * (PRIOR_WEIGHT * size) // prior.sum()
        self.seen = np.zeros(size, dtype=np.int64)
        self._model: Any = None

    def code(self, coder: Coder, value: int) -> int:
        """Code a value."""
        if len(self.weights) == 1:
            return 0
        if self._model is None:
            self._model = _categorical(self.weights, lazy=False)
        return coder.code(self._model, value)

    def learn(self, values: list[int]) -> None:
        """Count what came in a grid."""
        if not values:
            return
        np.add.at(self.seen, values, 1)
        np.add.at(self.weights, values, VALUE_STEP)
        if self.weights.sum() > VALUE_LIMIT:
            self.weights = (self.weights + 1) // 2
        self._model = None


class GridModel:
    """What is known of the next grid of a video from all grids before."""

    def __init__(self, grid: Grid, prior: Counts | None = None) -> None:
        self.grid = grid
        self.values = [
            ValueModel(part.size, None if prior is None else prior[part.first : part.first + part.size])
            for part in grid.alphabets
        ]
        self._situations: dict[tuple[int, ...], KindModel] = {}
        self._last = [NOTHING] * grid.num_tokens
        self._other = [NOTHING] * grid.num_tokens
        self._kinds = [NEW] * grid.num_tokens
        self._now = self._kinds
        self._is_first = True

    def code(self, coder: Coder, tokens: list[int] | None) -> list[int]:
        """Write the tokens of a grid, in raster order, or with None read them; gives the tokens.

        Raises:
            DataError: what is read was not written by `code`.
        """
        block = self.grid.num_tokens // len(self.values)
        coded: list[int] = []
        self._now = [LAST] * self.grid.num_tokens
        for number, (values, alphabet) in enumerate(zip(self.values, self.grid.alphabets, strict=True)):
            came: list[int] = []
            for position in range(number * block, (number + 1) * block):
                given = None if tokens is None else tokens[position] - alphabet.first
                coded.append(self._code_position(coder, values, position, block, given, came) + alphabet.first)
            values.learn(came)
        self._kinds, self._is_first = self._now, False
        return coded

    def _code_position(
        self, coder: Coder, values: ValueModel, position: int, block: int, given: int | None, came: list[int]
    ) -> int:
        """One token, counted from the start of its alphabet; `came` collects those that are NEW."""
        last, other = self._last[position], self._other[position]
        kind = NEW
        if not self._is_first:
            kind = LAST if given == last else OTHER if given == other else NEW
            kind = self._situation(position, block).code(coder, kind)
        self._now[position] = kind
        if kind == LAST:
            return last
        if kind == OTHER:
            if other == NOTHING:
                raise DataError("its tokens refer to one that never was")
            value = other
        else:
            value = values.code(coder, 0 if given is None else given)
            if value in (last, other):
                raise DataError("its tokens are not coded as an encoder codes them")
            came.append(value)
        self._last[position], self._other[position] = value, last
        return value

    def _situation(self, position: int, block: int) -> KindModel:
        """The model for a token by its block, its kind in the grid before, and its neighbours' kinds in this grid."""
        columns, inside = self.grid.columns, position % block
        number = position // block
        left = inside % columns > 0 and self._now[position - 1] != LAST
        above = inside >= columns and self._now[position - columns] != LAST
        before = number > 0 and self._now[position - block] != LAST
        key = (number, self._kinds[position], left, above, before)
        return self._situations.setdefault(key, KindModel())


class TokenCoder:
    """The tokens of a video, chunk by chunk in their order; what was learned from one chunk serves the next.

    With a context, every chunk but the last has whole segments, and a segment's context precedes its frames.
    """

    def __init__(
        self, frames: Grid, context: Grid | None, segment_frames: int, prior: Mapping[str, Counts] | None = None
    ) -> None:
        known = prior or {}
        self.frames = GridModel(frames, known.get("frames"))
        self.context = None if context is None else GridModel(context, known.get("context"))
        self.segment_frames = segment_frames

    def encode(self, frames_THW: Integers, context_SHW: Integers | None = None) -> bytes:
        """Tokens of a chunk -> its bytes, a multiple of 4."""
        writer = SymbolWriter()
        for number, grid in enumerate(frames_THW.reshape(len(frames_THW), -1).tolist()):
            if self.context is not None and context_SHW is not None and number % self.segment_frames == 0:
                self.context.code(writer, context_SHW[number // self.segment_frames].ravel().tolist())
            self.frames.code(writer, grid)
        return writer.finish()

    def decode(self, payload: bytes, num_frames: int) -> tuple[Integers, Integers | None]:
        """The bytes of a chunk -> its tokens (T, h, w), and (S, hc, wc) of the context.

        Raises:
            DataError: no encoder writes these bytes.
        """
        reader = SymbolReader(payload)
        frames, context = [], []
        for number in range(num_frames):
            if self.context is not None and number % self.segment_frames == 0:
                context.append(self.context.code(reader, None))
            frames.append(self.frames.code(reader, None))
        reader.finish()
        return _as_grids(frames, self.frames.grid), _as_grids(context, self.context.grid) if self.context else None


def _as_grids(tokens: list[list[int]], grid: Grid) -> Integers:
    return np.array(tokens, dtype=np.int64).reshape(len(tokens), grid.rows, grid.columns)
