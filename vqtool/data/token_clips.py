"""Batches of tokens for a second stage, from the memory-mapped token store."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqtool.data.sampler import BatchSampler
from vqtool.data.store import Split
from vqtool.data.token_store import Rows, TokenArray, TokenClip, TokenContents, TokenStore
from vqtool.data.token_verify import verify_tokens
from vqtool.data.window_index import Indices, WindowIndex
from vqtool.errors import DataError


@dataclass(frozen=True)
class TokenBatch:
    """Windows over clips, each array a copy.

    tokens: (B, T, h, w) in the store's type. context: (B, S, hc, wc), a grid for every `segment_frames` frames of the
    window; None without a context. states, actions: float32 (B, T, D), NaN where absent.
    """

    tokens: TokenArray
    context: TokenArray | None
    states: Rows
    actions: Rows


class TokenClips:
    """Every window of `clip_frames` frames, `stride` apart, over the clips of a split, numbered from 0.

    Windows start at every `step`-th frame of a clip. In a store with a context they start where a segment does and take
    every frame, so that `LoadedTokenizer.decode` takes what they give: `step` is a multiple of `segment_frames`, which
    is its default there (1 elsewhere), and `stride` is 1.

    Args:
        path: The folder that `vqtool encode --data` wrote.
        split: Which clips.
        clip_frames: Frames of a window, T.
        stride: Step between the frames of a window.
        step: Step between the starts of windows; default every one that is possible.
        verify: Read every byte of the store first and compare it with its checksums.

    Raises:
        DataError: missing, incomplete, damaged or of another version; no clip long enough; a stride or a step that does
            not fit the context.
    """

    def __init__(
        self,
        path: str | Path,
        split: Split = "train",
        clip_frames: int = 12,
        stride: int = 1,
        step: int | None = None,
        verify: bool = False,
    ) -> None:
        self.store = TokenStore.open(Path(path))
        if verify:
            _refuse_damage(Path(path))
        segment = self.store.info.segment_frames
        step = step or segment or 1
        if min(clip_frames, stride, step) < 1:
            raise DataError(f"clip_frames {clip_frames}, stride {stride} and step {step} must be at least 1")
        if segment and (stride != 1 or step % segment):
            raise DataError(
                f"{path} has a context for every {segment} frames: use stride 1 and a step that is a multiple of "
                f"{segment} (got stride {stride}, step {step})"
            )
        self.clip_frames, self.stride = clip_frames, stride
        self._span = (clip_frames - 1) * stride + 1
        self._clips = [clip for clip in self.store.split(split) if clip.length >= self._span]
        if not self._clips:
            longest = max((clip.length for clip in self.store.split(split)), default=0)
            raise DataError(
                f"no clip of split {split!r} in {path} has the {self._span} frames of a window (the longest has "
                f"{longest}): use a smaller clip_frames or stride, or another split"
            )
        self._index = WindowIndex([clip.length for clip in self._clips], self._span, step)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def codebook_size(self) -> int:
        """Number of different tokens, K."""
        return self.store.info.codebook_size

    def window(self, index: int) -> tuple[TokenClip, int]:
        """The clip of a window, and the window's first frame in it."""
        (video,), (start,) = self._locate(np.array([index]))
        return self._clips[video], int(start)

    def gather(self, indices: NDArray[np.integer[Any]]) -> TokenBatch:
        """The windows `indices` (B,).

        Raises:
            IndexError: an index outside 0 .. len - 1.
        """
        videos, starts = self._locate(np.asarray(indices, dtype=np.int64))
        places = [(self._clips[video], start) for video, start in zip(videos.tolist(), starts.tolist(), strict=True)]
        info = self.store.info
        segments = [(clip, start // info.segment_frames) for clip, start in places] if info.segment_frames else []
        num_segments = info.num_segments(self.clip_frames)
        context = [
            self.store.array("context", clip.shard)[clip.context_start + first :][:num_segments]
            for clip, first in segments
        ]
        return TokenBatch(
            tokens=self._stack("tokens", places),
            context=np.stack(context) if info.segment_frames else None,
            states=self._stack("states", places),
            actions=self._stack("actions", places),
        )

    def batches(self, batch_size: int, seed: int = 0) -> Iterator[TokenBatch]:
        """Batches without end, each epoch in an order of its own that depends on the seed alone."""
        sampler = BatchSampler(len(self), batch_size, seed)
        while True:
            yield self.gather(sampler.next())

    def _stack(self, contents: TokenContents, places: list[tuple[TokenClip, int]]) -> NDArray[Any]:
        rows = [
            self.store.array(contents, clip.shard)[clip.start + start :][: self._span : self.stride]
            for clip, start in places
        ]
        return np.stack(rows)

    def _locate(self, indices: Indices) -> tuple[Indices, Indices]:
        if not len(indices) or indices.min() < 0 or indices.max() >= len(self):
            raise IndexError(f"windows {indices.tolist()[:8]} of {len(self)}")
        return self._index.locate(indices)


def _refuse_damage(path: Path) -> None:
    problems = verify_tokens(path).problems
    if problems:
        named = "; ".join(f"{problem.file}: {problem.detail}" for problem in problems[:8])
        raise DataError(f"{len(problems)} files of the token store {path} are not as written: {named}; encode again")
