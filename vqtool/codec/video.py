"""A video file as a `.vqt` and back, a few frames at a time: any length in constant memory."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from vqtool.codec.alphabet import Grid, grids_of
from vqtool.codec.bitstream import (
    MAX_BATCH_PIXELS,
    MAX_BATCH_TOKENS,
    BitstreamReader,
    BitstreamWriter,
    VideoHeader,
)
from vqtool.codec.entropy import TokenCoder
from vqtool.codec.prior import NO_PRIOR, Prior, load_prior, prior_id
from vqtool.codec.tiles import from_tiles, join_grids, split_grids, tile_counts, to_tiles
from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.atomic import atomic_file
from vqtool.core.frames import to_model, to_uint8
from vqtool.core.tokenizers import Tokens
from vqtool.data import Frames
from vqtool.data.resize import resize
from vqtool.data.video import DEFAULT_FPS, decode_track, open_container, resized_blocks
from vqtool.data.video_writer import check_video_output, open_video_writer
from vqtool.errors import DataError

FRAMES_AT_ONCE = 64
BATCH_BYTES = 1 << 26
CHUNK_FRAMES = 1024
CHUNK_TOKENS = 1 << 20
MAX_FPS_DENOMINATOR = 65535

Advance = Callable[[int, int], None]
"""Called with (frames done, frames); the number of frames is a guess while a video is read."""
Chunk = tuple[NDArray[np.int64], NDArray[np.int64] | None]
"""Tokens (T, H, W), and (S, H, W) of the context."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CodedVideo:
    """What went from one file to the other; num_bytes are those of the `.vqt`."""

    num_frames: int
    width: int
    height: int
    fps: float
    num_bytes: int


@dataclass(frozen=True)
class VideoShape:
    """How a video is cut: `down` x `across` tiles, batches for the tokenizer, chunks for the file."""

    width: int
    height: int
    down: int
    across: int
    batch_frames: int
    chunk_frames: int


class VideoCodec:
    """A tokenizer with its prior, for videos."""

    def __init__(self, tokenizer: LoadedTokenizer) -> None:
        self.tokenizer = tokenizer
        self.frames, self.context = grids_of(tokenizer)
        self.prior = load_prior(tokenizer)

    def encode(self, path: Path, output: Path, tile: bool = False, advance: Advance | None = None) -> CodedVideo:
        """Encode the video in `path` to the file `output`, which appears whole or not at all.

        Frames become those of the tokenizer as in preprocessing; with `tile` they keep their size and are encoded as
        tiles of the tokenizer's frame.

        Raises:
            DataError: not a video of a known kind, damaged, without a frame, or too large for `tile`.
            VqtoolError: `output` cannot be written.
        """
        with _opened(path, None if tile else self.tokenizer.resolution) as (fps, guess, blocks):
            first = next(blocks)
            shape = self._shape(*first.shape[1:3])
            header = self._header(shape, fps)
            with atomic_file(output) as stream:
                writer = BitstreamWriter(stream, header)
                coder = self._coder(shape, self.prior)
                batches = _counted(_batches(chain([first], blocks), shape.batch_frames), guess, advance)
                for tokens, context in self._chunks(batches, shape):
                    writer.write_chunk(len(tokens), coder.encode(tokens, context))
                writer.finish()
        return CodedVideo(writer.num_frames, shape.width, shape.height, float(header.fps), writer.num_bytes)

    def decode(self, path: Path, output: Path, advance: Advance | None = None) -> CodedVideo:
        """Decode a `.vqt` to the video file or folder of pictures `output`, which appears whole or not at all.

        Raises:
            DataError: foreign, damaged or truncated, or of another tokenizer; or `output` is of no known kind.
            VqtoolError: `output` cannot be written.
        """
        check_video_output(output)
        with _readable(path) as stream:
            reader = BitstreamReader(stream)
            header = reader.header
            self._shape_of(header)
            with open_video_writer(output, header.fps) as write:
                for frames in _counted(self._decoded(reader), reader.num_frames, advance):
                    write(frames)
            num_bytes = stream.seek(0, os.SEEK_END)
        return CodedVideo(reader.num_frames, header.width, header.height, float(header.fps), num_bytes)

    def tokens(self, reader: BitstreamReader) -> Iterator[Chunk]:
        """The tokens of each chunk of a `.vqt`.

        Raises:
            DataError: of another tokenizer, or not written by an encoder.
        """
        shape = self._shape_of(reader.header)
        coder = self._coder(shape, self._prior_of(reader.header))
        for num_frames, payload in reader.chunks():
            yield coder.decode(payload, num_frames)

    def _decoded(self, reader: BitstreamReader) -> Iterator[Frames]:
        """The frames of each batch."""
        shape = self._shape_of(reader.header)
        for tokens, context in self.tokens(reader):
            for start in range(0, len(tokens), shape.batch_frames):
                batch = tokens[start : start + shape.batch_frames]
                segments = None
                if context is not None:
                    size = self.tokenizer.layout.segment_frames
                    segments = context[start // size : -(-(start + len(batch)) // size)]
                yield self._decode_batch(batch, segments, shape)

    def _chunks(self, batches: Iterator[Frames], shape: VideoShape) -> Iterator[Chunk]:
        num_batches = shape.chunk_frames // shape.batch_frames
        while parts := [self._encode_batch(batch, shape) for batch in islice(batches, num_batches)]:
            contexts = [context for _, context in parts if context is not None]
            yield np.concatenate([tokens for tokens, _ in parts]), np.concatenate(contexts) if contexts else None

    def _encode_batch(self, frames: Frames, shape: VideoShape) -> Chunk:
        """A batch, tile by tile: what a tile's tokens are must not depend on the tiles beside it."""
        tiles = to_tiles(frames, self.tokenizer.resolution)
        device = self.tokenizer.device
        coded = [self.tokenizer.encode_clips(to_model(tile[None], device)).stored() for tile in tiles]
        tokens = np.concatenate([part.frames_BTHW.numpy() for part in coded]).astype(np.int64)
        joined = join_grids(tokens, shape.across, len(self.frames.alphabets))
        if self.context is None:
            return joined, None
        contexts = [part.context_BSHW.numpy() for part in coded if part.context_BSHW is not None]
        context = np.concatenate(contexts).astype(np.int64)
        return joined, join_grids(context, shape.across, len(self.context.alphabets))

    def _decode_batch(self, tokens: NDArray[np.int64], context: NDArray[np.int64] | None, shape: VideoShape) -> Frames:
        frames_NTHW = self._split(tokens, self.frames, shape)
        context_NSHW = self._split(context, self.context, shape) if context is not None and self.context else None
        tiles = []
        for number, tile in enumerate(frames_NTHW):
            beside = None if context_NSHW is None else context_NSHW[number : number + 1]
            tiles.append(to_uint8(self.tokenizer.decode_clips(Tokens(tile[None], beside)))[0])
        return from_tiles(np.stack(tiles), shape.height, shape.width)

    def _split(self, tokens: NDArray[np.int64], grid: Grid, shape: VideoShape) -> torch.Tensor:
        parts = split_grids(tokens, shape.down, shape.across, len(grid.alphabets))
        return torch.from_numpy(np.ascontiguousarray(parts)).to(self.tokenizer.device)

    def _coder(self, shape: VideoShape, prior: Prior) -> TokenCoder:
        context = None if self.context is None else self.context.tiled(shape.down, shape.across)
        frames = self.frames.tiled(shape.down, shape.across)
        return TokenCoder(frames, context, self.tokenizer.layout.segment_frames, prior)

    def _shape(self, height: int, width: int) -> VideoShape:
        """How frames of this size are cut.

        Raises:
            DataError: they are too large.
        """
        side, segment = self.tokenizer.resolution, max(self.tokenizer.layout.segment_frames, 1)
        down, across = tile_counts(height, width, side)
        frame_bytes = down * across * side * side * 3
        batch = max(min(FRAMES_AT_ONCE, BATCH_BYTES // frame_bytes) // segment, 1) * segment
        tokens = batch * down * across * self.frames.num_tokens
        chunk = max(min(CHUNK_FRAMES // batch, CHUNK_TOKENS // tokens), 1) * batch
        shape = VideoShape(width, height, down, across, batch, chunk)
        self._check_size(shape)
        return shape

    def _check_size(self, shape: VideoShape) -> None:
        tiles = shape.down * shape.across
        batch_tokens = shape.batch_frames * tiles * self.frames.num_tokens
        chunk_tokens = batch_tokens * (shape.chunk_frames // shape.batch_frames)
        pixels = shape.batch_frames * tiles * self.tokenizer.resolution**2
        if pixels > MAX_BATCH_PIXELS or chunk_tokens > max(CHUNK_TOKENS, min(batch_tokens, MAX_BATCH_TOKENS)):
            raise DataError(
                f"frames of {shape.width} x {shape.height} pixels are too large for this tokenizer's tiles: "
                "leave --tile out, or scale the video down"
            )

    def _header(self, shape: VideoShape, fps: float) -> VideoHeader:
        layout = self.tokenizer.layout
        rate = Fraction(fps).limit_denominator(MAX_FPS_DENOMINATOR)
        return VideoHeader(
            tokenizer_sha256=bytes.fromhex(self.tokenizer.sha256),
            prior_id=prior_id(self.prior),
            width=shape.width,
            height=shape.height,
            fps_numerator=rate.numerator,
            fps_denominator=rate.denominator,
            grid_rows=layout.grid[0],
            grid_columns=layout.grid[1],
            context_rows=layout.context_grid[0] if layout.context_grid else 0,
            context_columns=layout.context_grid[1] if layout.context_grid else 0,
            segment_frames=layout.segment_frames,
            batch_frames=shape.batch_frames,
            chunk_frames=shape.chunk_frames,
            codebook_size=self.tokenizer.codebook_size,
        )

    def _prior_of(self, header: VideoHeader) -> Prior:
        """What the coder of a file knew before.

        Raises:
            DataError: a prior that is not here.
        """
        if header.prior_id == NO_PRIOR:
            return {}
        if header.prior_id != prior_id(self.prior):
            here = f"the prior {prior_id(self.prior).hex()}" if self.prior else "none"
            raise DataError(
                f"it was encoded with the prior {header.prior_id.hex()}, {self.tokenizer.folder} has {here}: give the "
                "folder that encoded it with --checkpoint"
            )
        return self.prior

    def _shape_of(self, header: VideoHeader) -> VideoShape:
        """How the frames of a file are cut.

        Raises:
            DataError: it is of another tokenizer or prior, or of a size that is never written.
        """
        mine = self.tokenizer.sha256
        if header.tokenizer_sha256.hex() != mine:
            raise DataError(
                f"it was encoded by the tokenizer {header.tokenizer_sha256.hex()[:12]}, the one in "
                f"{self.tokenizer.folder} is {mine[:12]}: give the one that encoded it with --checkpoint"
            )
        self._prior_of(header)
        down, across = tile_counts(header.height, header.width, self.tokenizer.resolution)
        shape = VideoShape(header.width, header.height, down, across, header.batch_frames, header.chunk_frames)
        self._check_size(shape)
        if self._header(shape, float(header.fps)).codebook_size != header.codebook_size or (
            (header.grid_rows, header.grid_columns) != self.tokenizer.layout.grid
            or (header.context_rows, header.context_columns) != (self.tokenizer.layout.context_grid or (0, 0))
            or header.segment_frames != self.tokenizer.layout.segment_frames
        ):
            raise DataError("its header contradicts its tokenizer")
        return shape


@contextmanager
def _opened(path: Path, size: int | None) -> Iterator[tuple[float, int, Iterator[Frames]]]:
    """The frame rate, about how many frames (0: unknown), and blocks of frames of a video file; notes its audio."""
    fit = partial(resize, height=size, width=size) if size else None
    try:
        with path.open("rb") as stream, open_container(stream) as (file, track):
            if file.streams.audio:
                logger.warning("%s has audio, which is left out", path)
            fps = float(track.average_rate or DEFAULT_FPS)
            yield fps, track.frames, resized_blocks(decode_track(file, track), fit)
    except OSError as error:
        if error.filename not in (None, str(path)):
            raise
        raise DataError(f"cannot read video {path}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"cannot read video {path}: {error}") from error


@contextmanager
def _readable(path: Path) -> Iterator[BinaryIO]:
    """The open file, its name in front of what is wrong with it."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise DataError(f"cannot decode {path}: {error.strerror or error}") from error
    try:
        with stream:
            yield stream
    except DataError as error:
        raise DataError(f"cannot decode {path}: {error}") from error


def _batches(blocks: Iterator[Frames], num_frames: int) -> Iterator[Frames]:
    """Blocks of frames as batches of `num_frames`, the last one shorter."""
    waiting: list[Frames] = []
    count = 0
    for block in blocks:
        waiting.append(block)
        count += len(block)
        while count >= num_frames:
            joined = np.concatenate(waiting)
            yield joined[:num_frames]
            waiting, count = [joined[num_frames:]], count - num_frames
    if count:
        yield np.concatenate(waiting)


def _counted(batches: Iterator[Frames], num_frames: int, advance: Advance | None) -> Iterator[Frames]:
    """The batches; tells `advance` when one is done. `num_frames` are about all there will be."""
    done = 0
    if advance is not None:
        advance(0, max(num_frames, 1))
    for batch in batches:
        yield batch
        done += len(batch)
        # The last batch is told below, when it is known to be the last.
        if advance is not None and done != num_frames:
            advance(done, max(num_frames, done + 1))
    if advance is not None:
        advance(done, done)
