"""Clips of a token store as frames again, and as video files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.atomic import explained_os_errors
from vqtool.core.frames import to_uint8
from vqtool.core.nearest import did_you_mean
from vqtool.core.tokenizers import Tokens
from vqtool.data import Frames
from vqtool.data.sources.names import escape
from vqtool.data.store import Split
from vqtool.data.token_store import TokenClip, TokenStore
from vqtool.data.video import write_video
from vqtool.errors import DataError

FRAMES_AT_ONCE = 64
FILE_SUFFIXES = (".mp4", ".gif")
Format = Literal["mp4", "gif", "png"]


def choose_clips(store: TokenStore, names: Sequence[str], split: Split, num_clips: int) -> list[TokenClip]:
    """The clips called `names`; without any, `num_clips` of a split, evenly spread.

    Raises:
        DataError: no such clip, or an empty split.
    """
    if names:
        known = {clip.clip: clip for clip in store.clips}
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known) or f": {store.path / 'clips.csv'} lists them"
                raise DataError(f"no clip {name!r} in {store.path}{hint}")
        return [known[name] for name in dict.fromkeys(names)]
    clips = store.split(split)
    if not clips:
        there = ", ".join(name for name, counts in store.info.splits.items() if counts.clips)
        raise DataError(f"split {split!r} of {store.path} is empty: use --split with one of {there}")
    count = min(num_clips, len(clips))
    return [clips[(2 * number + 1) * len(clips) // (2 * count)] for number in range(count)]


def check_tokenizer(tokenizer: LoadedTokenizer, store: TokenStore) -> None:
    """Raises DataError where the tokens of `store` are another tokenizer's."""
    if tokenizer.sha256 != store.info.tokenizer_sha256:
        raise DataError(
            f"the tokens in {store.path} are of tokenizer {store.info.tokenizer_sha256[:16]}, {tokenizer.folder} is "
            f"{tokenizer.sha256[:16]}: give the checkpoint that encoded them (it was {store.info.checkpoint})"
        )


def decode_clip(tokenizer: LoadedTokenizer, store: TokenStore, clip: TokenClip) -> Frames:
    """A clip's frames, uint8 RGB (T, R, R, 3); about 64 frames at a time, so that any length fits in memory."""
    tokens, context, device = store.tokens(clip), store.context(clip), tokenizer.device
    segment = store.info.segment_frames or 1
    step = max(FRAMES_AT_ONCE // segment, 1) * segment
    parts = []
    for first in range(0, clip.length, step):
        frames_BTHW = torch.from_numpy(tokens[None, first : first + step].astype(np.int64)).to(device)
        context_BSHW = None
        if context is not None:
            rows = context[None, first // segment : (first + step) // segment]
            context_BSHW = torch.from_numpy(rows.astype(np.int64)).to(device)
        parts.append(to_uint8(tokenizer.decode_clips(Tokens(frames_BTHW, context_BSHW)))[0])
    return np.concatenate(parts)


def check_output(output: Path, num_clips: int) -> None:
    """Raises DataError where `output` is no folder and no file that could hold the clips."""
    if not output.suffix or output.is_dir():
        if output.exists() and not output.is_dir():
            raise DataError(f"--output {output} is a file: give a folder, or a file ending in .mp4 or .gif")
        return
    if output.suffix.lower() not in FILE_SUFFIXES:
        raise DataError(f"--output {output}: expected a folder, or a file ending in .mp4 or .gif")
    if num_clips > 1:
        raise DataError(f"--output {output} holds one clip, not {num_clips}: give a folder, or one clip with --clip")


def write_clips(
    clips: Sequence[TokenClip], decoded: Iterator[Frames], output: Path, form: Format, fps: float
) -> Iterator[Path]:
    """Write each clip as soon as it is decoded, gives its path: a file, or with `png` a folder of a picture a frame.

    Raises:
        VqtoolError: no space left, or the folder cannot be written.
    """
    if output.suffix and not output.is_dir():
        _make(output.parent)
        write_video(output, next(decoded), fps)
        yield output
        return
    _make(output)
    for stem, frames in zip(_stems(clips), decoded, strict=True):
        path = output / (stem if form == "png" else f"{stem}.{form}")
        if form == "png":
            _make(path)
            for number, frame in enumerate(frames):
                write_video(path / f"frame-{number:05d}.png", frame, fps)
        else:
            write_video(path, frames, fps)
        yield path


def _make(folder: Path) -> None:
    with explained_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _stems(clips: Sequence[TokenClip]) -> list[str]:
    """A file name a clip: safe on any file system, never hidden or another folder, each of them once."""
    stems = [escape(clip.clip).replace("/", "_").lstrip(".")[:200] or "clip" for clip in clips]
    uses = Counter(stems)
    return [stem if uses[stem] == 1 else f"{number:05d}_{stem}" for number, stem in enumerate(stems)]
