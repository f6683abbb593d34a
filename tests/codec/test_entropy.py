"""Token grids through entropy coding, and every bit of it recomputed in whole numbers."""

import math
from collections import Counter

import numpy as np
import pytest
from vqt_files import WholeNumberDecoder

from vqtool.codec.alphabet import Alphabet, Grid
from vqtool.codec.entropy import GridModel, SymbolWriter, TokenCoder, frequencies
from vqtool.errors import DataError

PLAIN = Grid(3, 4, (Alphabet(0, 9),))
BLOCKS = Grid(4, 3, (Alphabet(20, 5), Alphabet(25, 7)))
CONTEXT = Grid(2, 2, (Alphabet(0, 20),))


def sticky_tokens(grid: Grid, num_frames: int, seed: int = 0, stay: float = 0.8) -> np.ndarray:
    """Tokens that mostly stay where they are, (T, h, w)."""
    rng = np.random.default_rng(seed)
    blocks = [
        rng.integers(part.first, part.first + part.size, (num_frames, grid.rows // len(grid.alphabets), grid.columns))
        for part in grid.alphabets
    ]
    tokens = np.concatenate(blocks, axis=1)
    for number in range(1, num_frames):
        same = rng.random(tokens[0].shape) < stay
        tokens[number][same] = tokens[number - 1][same]
    return tokens


def recomputed_frequencies(weights: list[int]) -> list[int]:
    free = 2**24 - len(weights)
    shares = [weight * free // sum(weights) for weight in weights]
    shares[weights.index(max(weights))] += free - sum(shares)
    return [share + 1 for share in shares]


class RecomputedGrid:
    """docs/formats.md in the plainest Python."""

    def __init__(self, grid: Grid, prior: np.ndarray | None = None) -> None:
        self.grid = grid
        self.weights = [[8] * part.size for part in grid.alphabets]
        if prior is not None:
            self.weights = []
            for part in grid.alphabets:
                counts = [int(prior[part.first + code]) for code in range(part.size)]
                self.weights.append([1 + count * 16 * part.size // sum(counts) for count in counts])
        self.kinds: dict[object, list[int]] = {}
        self.history: list[list[int]] = []
        self.before: list[int] | None = None

    def read(self, decoder: WholeNumberDecoder) -> list[list[int]]:
        rows, columns, num_blocks = self.grid.rows, self.grid.columns, len(self.grid.alphabets)
        kinds: list[int] = []
        self.history = self.history or [[] for _ in range(rows * columns)]
        height, found = rows // num_blocks, []
        for block, part in enumerate(self.grid.alphabets):
            table, new = recomputed_frequencies(self.weights[block]), []
            for place in range(height * columns):
                row, column = divmod(place, columns)
                past = self.history[block * height * columns + place]
                kind = 2
                if self.before is not None:
                    left = column > 0 and kinds[-1] != 0
                    above = row > 0 and kinds[-columns] != 0
                    earlier = block > 0 and kinds[-height * columns] != 0
                    key = (block, self.before[len(kinds)], left, above, earlier)
                    counts = self.kinds.setdefault(key, [32, 8, 32])
                    kind = decoder.symbol(recomputed_frequencies(counts))
                    counts[kind] += 32
                    if sum(counts) > 8192:
                        counts[:] = [(count + 1) // 2 for count in counts]
                if kind == 2:
                    value = decoder.symbol(table)
                    new.append(value)
                else:
                    value = past[-1 - kind]
                if kind:
                    past.append(value)
                kinds.append(kind)
                found.append(value + part.first)
            for value in new:
                self.weights[block][value] += 32
        self.before = kinds
        return np.array(found).reshape(rows, columns).tolist()


@pytest.mark.parametrize("grid", [PLAIN, BLOCKS])
def test_whole_numbers_recompute_every_token(grid: Grid) -> None:
    tokens = sticky_tokens(grid, 300)
    coder, again = TokenCoder(grid, None, 0), RecomputedGrid(grid)
    for chunk in np.split(tokens, [100, 101, 240]):
        decoder = WholeNumberDecoder(coder.encode(chunk))
        assert [again.read(decoder) for _ in chunk] == chunk.tolist()


def test_whole_numbers_recompute_context_and_prior() -> None:
    frames, context = sticky_tokens(BLOCKS, 10), sticky_tokens(CONTEXT, 3, stay=0.4)
    prior = {"frames": np.arange(32), "context": np.arange(32)[::-1].copy()}
    decoder = WholeNumberDecoder(TokenCoder(BLOCKS, CONTEXT, 4, prior).encode(frames, context))
    grids = RecomputedGrid(BLOCKS, prior["frames"]), RecomputedGrid(CONTEXT, prior["context"])
    for number, frame in enumerate(frames):
        if number % 4 == 0:
            assert grids[1].read(decoder) == context[number // 4].tolist()
        assert grids[0].read(decoder) == frame.tolist()


@pytest.mark.parametrize("grid", [PLAIN, BLOCKS, Grid(2, 2, (Alphabet(3, 1),)), Grid(1, 1, (Alphabet(0, 70000),))])
@pytest.mark.parametrize("stay", [0.0, 0.9, 1.0])
def test_round_trip_in_chunks(grid: Grid, stay: float) -> None:
    frames, context = sticky_tokens(grid, 23, stay=stay), sticky_tokens(CONTEXT, 6, stay=stay)
    writer, reader = TokenCoder(grid, CONTEXT, 4), TokenCoder(grid, CONTEXT, 4)
    for start in range(0, 23, 8):
        chunk, segments = frames[start : start + 8], context[start // 4 : start // 4 + 2]
        read, read_context = reader.decode(writer.encode(chunk, segments), len(chunk))
        np.testing.assert_array_equal(read, chunk)
        assert read_context is not None
        np.testing.assert_array_equal(read_context, segments)


def test_tokens_that_stay_cost_little_and_random_ones_their_entropy() -> None:
    grid = Grid(4, 4, (Alphabet(0, 64),))
    still = TokenCoder(grid, None, 0).encode(sticky_tokens(grid, 1000, stay=1.0))
    assert 8 * len(still) / 1000 < 0.2
    tokens = sticky_tokens(grid, 1000, stay=0.0)
    entropy = math.log2(64)
    assert 8 * len(TokenCoder(grid, None, 0).encode(tokens)) / tokens.size == pytest.approx(entropy, rel=0.03)


def test_skewed_tokens_cost_no_more_than_a_fifth_above_their_entropy() -> None:
    grid, rng = Grid(4, 4, (Alphabet(0, 64),)), np.random.default_rng(1)
    tokens = np.minimum(rng.geometric(0.3, (1000, 4, 4)) - 1, 63)
    counts = np.array(list(Counter(tokens.ravel().tolist()).values())) / tokens.size
    bits = 8 * len(TokenCoder(grid, None, 0).encode(tokens)) / tokens.size
    entropy = -(counts * np.log2(counts)).sum()
    assert entropy < bits < 1.2 * entropy


@pytest.mark.parametrize("size", [2, 3, 1000, 1 << 20])
def test_frequencies_are_whole_and_sum_to_their_total(size: int) -> None:
    weights = np.random.default_rng(size).integers(0, 1 << 20, size)
    found = frequencies(weights)
    assert found.sum() == 1 << 24
    assert found.min() >= 1
    if size <= 1000:
        assert found.tolist() == recomputed_frequencies(weights.tolist())


def test_only_the_bytes_of_an_encoder_are_read() -> None:
    tokens = sticky_tokens(PLAIN, 20)
    payload = TokenCoder(PLAIN, None, 0).encode(tokens)
    for other in (payload[:-4], payload + bytes(4), b"", bytes(len(payload)), b"\xff" * len(payload)):
        with pytest.raises(DataError):
            TokenCoder(PLAIN, None, 0).decode(other, 20)


def test_altered_bytes_never_give_the_same_tokens() -> None:
    tokens, rng = sticky_tokens(PLAIN, 6), np.random.default_rng(0)
    payload = TokenCoder(PLAIN, None, 0).encode(tokens)
    refused = 0
    for _ in range(1000):
        altered = bytearray(payload)
        altered[rng.integers(len(altered))] ^= 1 << rng.integers(8)
        try:
            read, _ = TokenCoder(PLAIN, None, 0).decode(bytes(altered), 6)
        except DataError:
            refused += 1
        else:
            assert not np.array_equal(read, tokens)
            assert read.min() >= 0
            assert read.max() < 9
    assert refused > 500


def test_a_codebook_too_large_is_an_error() -> None:
    with pytest.raises(DataError, match="at most 1,048,576"):
        TokenCoder(Grid(1, 1, (Alphabet(0, (1 << 20) + 1),)), None, 0)


class Scripted:
    """A coder that writes the symbols it was told to, whatever the model asks for."""

    def __init__(self, symbols: list[int]) -> None:
        self.symbols, self.writer = symbols, SymbolWriter()

    def code(self, model: object, symbol: int) -> int:
        return self.writer.code(model, self.symbols.pop(0))


@pytest.mark.parametrize("symbols", [[3, 2, 3], [3, 1], [3, 2, 4, 2, 3]])
def test_what_no_encoder_says_is_refused(symbols: list[int]) -> None:
    """A value that is called new but was there, and one that is called the other where there was none."""
    grid = Grid(1, 1, (Alphabet(0, 5),))
    model, coder = GridModel(grid), Scripted(list(symbols))
    with pytest.raises(DataError):
        while coder.symbols:
            model.code(coder, None)
    with pytest.raises(DataError, match=r"refer|not coded"):
        TokenCoder(grid, None, 0).decode(coder.writer.finish(), 3)
