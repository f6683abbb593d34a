"""The `.vqt` container byte by byte, a golden file, and thousands of damaged ones."""

import io
import struct
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_entropy import CONTEXT, RecomputedGrid, sticky_tokens
from vqt_files import WholeNumberDecoder

from vqtool.codec.alphabet import Alphabet, Grid
from vqtool.codec.bitstream import BitstreamReader, BitstreamWriter, VideoHeader
from vqtool.codec.entropy import TokenCoder
from vqtool.errors import DataError

GOLDEN = Path(__file__).parents[1] / "files" / "golden.vqt"
GRID = Grid(2, 3, (Alphabet(20, 11),))
HEADER = VideoHeader(
    bytes(range(32)), bytes(range(8)), 70, 50, 30000, 1001, 2, 3, 2, 2, 4, 4, 4, 31
)  # fmt: skip


def golden_bytes() -> bytes:
    """Ten frames in three chunks, tokens with a context."""
    frames, context = sticky_tokens(GRID, 10), sticky_tokens(CONTEXT, 3)
    stream, coder = io.BytesIO(), TokenCoder(GRID, CONTEXT, 4)
    writer = BitstreamWriter(stream, HEADER)
    for start in range(0, 10, 4):
        chunk = frames[start : start + 4]
        writer.write_chunk(len(chunk), coder.encode(chunk, context[start // 4 : start // 4 + 1]))
    writer.finish()
    assert writer.num_bytes == len(stream.getvalue())
    return stream.getvalue()


def read(content: bytes) -> tuple[VideoHeader, int, list[list[int]]]:
    reader = BitstreamReader(io.BytesIO(content))
    coder = TokenCoder(GRID, CONTEXT, 4)
    tokens = [coder.decode(payload, num)[0].tolist() for num, payload in reader.chunks()]
    return reader.header, reader.num_frames, tokens


def with_checksums(content: bytes) -> bytes:
    """The records of a mutant, as far as they can be told, with checksums that hold."""
    done, at = b"", 0

    def close(length: int) -> None:
        nonlocal done, at
        done += content[at : at + length]
        done += struct.pack("<I", zlib.crc32(done))
        at += length + 4

    close(84)
    while at + 6 <= len(content):
        num, length = struct.unpack_from("<HI", content, at)
        if not num or at + 6 + length + 4 > len(content):
            break
        close(6 + length)
    if at + 10 <= len(content):
        close(10)
    return done + content[at:]


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: bits, bytes, numbers at their limits, cuts, insertions, pieces moved."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at, end = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        match rng.integers(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << int(rng.integers(8))
            case 1 if data:
                data[at % len(data)] = int(rng.integers(256))
            case 2:
                data[at : at + 4] = rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFF]).item().to_bytes(4, "little")
            case 3:
                del data[at:]
            case 4:
                del data[at:end]
            case 5:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
            case _:
                data[at:at] = data[at:end]
    return bytes(data)


def test_golden_file() -> None:
    assert golden_bytes() == GOLDEN.read_bytes()
    header, num_frames, tokens = read(GOLDEN.read_bytes())
    assert (header, num_frames, [len(chunk) for chunk in tokens]) == (HEADER, 10, [4, 4, 2])


def test_golden_file_read_by_hand() -> None:
    """With nothing but struct, zlib and whole numbers."""
    content = GOLDEN.read_bytes()
    assert content[:10] == b"\x89VQT\r\n\x1a\n" + b"\x01\x00"
    assert content[10:50] == bytes(range(32)) + bytes(range(8))
    assert struct.unpack_from("<4I7HI", content, 50) == (70, 50, 30000, 1001, 2, 3, 2, 2, 4, 4, 4, 31)
    assert struct.unpack_from("<I", content, 84)[0] == zlib.crc32(content[:84])
    grid, context, at, found, segments = RecomputedGrid(GRID), RecomputedGrid(CONTEXT), 88, [], []
    while num_frames := struct.unpack_from("<H", content, at)[0]:
        (length,) = struct.unpack_from("<I", content, at + 2)
        payload = content[at + 6 : at + 6 + length]
        at += 6 + length + 4
        assert struct.unpack_from("<I", content, at - 4)[0] == zlib.crc32(content[: at - 4])
        decoder = WholeNumberDecoder(payload)
        segments.append(context.read(decoder))
        found += [grid.read(decoder) for _ in range(num_frames)]
    assert struct.unpack_from("<HQ", content, at) == (0, 10)
    assert content[at + 10 :] == struct.pack("<I", zlib.crc32(content[: at + 10]))
    assert found == sticky_tokens(GRID, 10).tolist()
    assert segments == sticky_tokens(CONTEXT, 3).tolist()


def test_no_mutant_is_read() -> None:
    content, rng = golden_bytes(), np.random.default_rng(0)
    for _ in range(10000):
        altered = mutant(content, rng)
        if altered != content:
            with pytest.raises(DataError):
                BitstreamReader(io.BytesIO(altered))


def test_mutants_whose_checksums_hold_are_refused_or_decode_within_bounds() -> None:
    content, rng = golden_bytes(), np.random.default_rng(1)
    original, outcomes = read(content), Counter[str]()
    for _ in range(3000):
        altered = with_checksums(mutant(content, rng))
        if altered == content:
            continue
        try:
            header, num_frames, tokens = read(altered)
        except DataError as error:
            outcomes[str(error)] += 1
            continue
        outcomes["read"] += 1
        flat = np.concatenate([np.array(chunk) for chunk in tokens])
        assert num_frames == len(flat)
        assert flat.min() >= 20
        assert flat.max() < 31
        # The same tokens from other bytes: only where another video is said to be made of them.
        assert (header, tokens) != (original[0], original[2])
    assert len(outcomes) >= 10, outcomes


def test_payloads_of_noise_end_in_an_error_or_tokens() -> None:
    rng = np.random.default_rng(2)
    for _ in range(500):
        with pytest.raises(DataError):
            TokenCoder(GRID, CONTEXT, 4).decode(rng.bytes(4 * int(rng.integers(0, 12))), 40)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"GIF89a, and more", "not a .vqt"),
        (b"\x89VQT\n\x1a\n", "not a .vqt"),
        (golden_bytes()[:8], "too early"),
        (golden_bytes()[:-1], "too early"),
        (golden_bytes()[:-14], "too early"),
        (golden_bytes() + b"x", "more after its end"),
        (golden_bytes()[:100] + b"!" + golden_bytes()[101:], "damaged"),
        (with_checksums(golden_bytes()[:8] + b"\x02\x00" + golden_bytes()[10:]), "version 2"),
    ],
)
def test_says_what_is_wrong(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        BitstreamReader(io.BytesIO(content))


def test_length_beyond_the_file_allocates_nothing() -> None:
    content = golden_bytes()
    huge = with_checksums(content[:90] + b"\xfc\xff\xff\xff" + content[94:])
    with pytest.raises(DataError, match="too early"):
        BitstreamReader(io.BytesIO(huge))


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 0}, {"height": 65536}, {"width": 65535, "height": 65535}, {"fps_numerator": 0},
        {"fps_denominator": 0}, {"fps_numerator": 2_000_000}, {"grid_rows": 0}, {"context_rows": 0},
        {"segment_frames": 3}, {"batch_frames": 0}, {"chunk_frames": 6}, {"codebook_size": 0},
    ],
)  # fmt: skip
def test_headers_that_no_encoder_writes(fields: dict[str, int]) -> None:
    with pytest.raises(DataError, match="no encoder writes"):
        BitstreamWriter(io.BytesIO(), replace(HEADER, **fields))
