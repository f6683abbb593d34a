"""Which frames of a store are encoded together: always the same batches, whoever encodes them and when."""

from collections.abc import Sequence
from dataclasses import dataclass

from vqtool.data.store import FrameStore
from vqtool.data.token_store import TokenClip


@dataclass(frozen=True)
class Piece:
    """Frames `row` to `row + length` of a shard; the context of their first segment is row `context_row` there."""

    shard: int
    row: int
    length: int
    context_row: int = 0


Batch = tuple[Piece, ...]
"""Pieces of one length."""


def place_context(store: FrameStore, segment_frames: int) -> tuple[TokenClip, ...]:
    """The clips of a frame store with the place of their context: segment after segment, in the order of their frames.

    0 `segment_frames` is no context.
    """
    ends = [0] * len(store.info.shards)
    placed: dict[str, TokenClip] = {}
    for clip in sorted(store.clips, key=lambda clip: (clip.shard, clip.start)):
        length = -(-clip.length // segment_frames) if segment_frames else 0
        placed[clip.clip] = TokenClip(**vars(clip), context_start=ends[clip.shard], context_length=length)
        ends[clip.shard] += length
    return tuple(placed[clip.clip] for clip in store.clips)


def plan_frames(shard_frames: Sequence[int], batch_frames: int) -> list[Batch]:
    """Batches of `batch_frames` frames for a tokenizer that encodes every frame by itself, across clips."""
    return [
        (Piece(shard, row, min(batch_frames, num_frames - row)),)
        for shard, num_frames in enumerate(shard_frames)
        for row in range(0, num_frames, batch_frames)
    ]


def plan_clips(clips: Sequence[TokenClip], segment_frames: int, batch_frames: int) -> list[Batch]:
    """Batches of whole clips of one length, about `batch_frames` frames each, for a tokenizer with a context.

    Longer clips are cut between segments, so that any length fits in memory.
    """
    longest = max(batch_frames // segment_frames, 1) * segment_frames
    by_length: dict[tuple[int, int], list[Piece]] = {}
    for clip in sorted(clips, key=lambda clip: (clip.shard, clip.start)):
        for first in range(0, clip.length, longest):
            length = min(longest, clip.length - first)
            context_row = clip.context_start + first // segment_frames
            piece = Piece(clip.shard, clip.start + first, length, context_row)
            by_length.setdefault((clip.shard, length), []).append(piece)
    return [
        tuple(pieces[first : first + max(batch_frames // length, 1)])
        for (_, length), pieces in by_length.items()
        for first in range(0, len(pieces), max(batch_frames // length, 1))
    ]


def num_frames(batch: Batch) -> int:
    """Frames of a batch."""
    return sum(piece.length for piece in batch)
