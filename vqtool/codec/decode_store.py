"""Clips of a token store as frames again, and as video files."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from vqtool.codec.tokenizer import LoadedTokenizer
from vqtool.core.frames import to_uint8
from vqtool.core.nearest import did_you_mean
from vqtool.core.tokenizers import Tokens
from vqtool.data import Frames
from vqtool.data.sources.names import escape
from vqtool.data.store import Split
from vqtool.data.token_store import TokenClip, TokenStore
from vqtool.data.video_writer import SUFFIXES, open_picture_folder, open_video_writer
from vqtool.errors import DataError

FRAMES_AT_ONCE = 64
MAX_FPS_DENOMINATOR = 1000
Format = Literal["mp4", "gif", "webp", "png"]


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


def decode_clip(tokenizer: LoadedTokenizer, store: TokenStore, clip: TokenClip) -> Iterator[Frames]:
    """A clip's frames in order, uint8 RGB (T, R, R, 3), about 64 at a time, so that any length fits in memory."""
    tokens, context, device = store.tokens(clip), store.context(clip), tokenizer.device
    segment = store.info.segment_frames or 1
    step = max(FRAMES_AT_ONCE // segment, 1) * segment
    for first in range(0, clip.length, step):
        frames_BTHW = torch.from_numpy(tokens[None, first : first + step].astype(np.int64)).to(device)
        context_BSHW = None
        if context is not None:
            rows = context[None, first // segment : (first + step) // segment]
            context_BSHW = torch.from_numpy(rows.astype(np.int64)).to(device)
        yield to_uint8(tokenizer.decode_clips(Tokens(frames_BTHW, context_BSHW)))[0]


def check_output(output: Path, clips: Sequence[TokenClip], form: Format) -> None:
    """Raises DataError where `output` is no folder and no file that could hold the clips, or they are in it already."""
    kinds = f"a folder, or a file ending in {', '.join(SUFFIXES)}"
    if _is_folder(output):
        if output.exists() and not output.is_dir():
            raise DataError(f"--output {output} is a file: give {kinds}")
        for path in _paths(clips, output, form):
            if form == "png" and path.exists():
                raise DataError(f"{path} exists already: remove it or choose another --output")
        return
    if output.suffix.lower() not in SUFFIXES:
        raise DataError(f"--output {output}: expected {kinds}")
    if len(clips) > 1:
        raise DataError(f"--output {output} holds one clip, not {len(clips)}: give a folder, or one clip with --clip")
    if output.suffix.lower() == ".png" and clips[0].length > 1:
        raise DataError(
            f"--output {output} holds one picture, clip {clips[0].clip} has {clips[0].length} frames: give a folder "
            "with --format png"
        )


def write_clips(
    clips: Sequence[TokenClip], decoded: Iterable[Iterable[Frames]], output: Path, form: Format, fps: float
) -> Iterator[Path]:
    """Write the frames of each clip as they come, gives its path: a file, or with `png` a folder of a picture a frame.

    Each file and folder appears whole or not at all.

    Raises:
        VqtoolError: no space left, or the folder cannot be written.
    """
    is_folder, rate = _is_folder(output), Fraction(fps).limit_denominator(MAX_FPS_DENOMINATOR)
    paths = _paths(clips, output, form) if is_folder else [output]
    for path, parts in zip(paths, decoded, strict=True):
        as_pictures = is_folder and form == "png"
        with open_picture_folder(path) if as_pictures else open_video_writer(path, rate) as write:
            for frames in parts:
                write(frames)
        yield path


def _is_folder(output: Path) -> bool:
    return not output.suffix or output.is_dir()


def _paths(clips: Sequence[TokenClip], folder: Path, form: Format) -> list[Path]:
    return [folder / (stem if form == "png" else f"{stem}.{form}") for stem in _stems(clips)]


def _stems(clips: Sequence[TokenClip]) -> list[str]:
    """A file name a clip: safe on any file system, never hidden or another folder, each of them once."""
    stems = [escape(clip.clip).replace("/", "_").lstrip(".")[:200] or "clip" for clip in clips]
    uses = Counter(stems)
    return [stem if uses[stem] == 1 else f"{number:05d}_{stem}" for number, stem in enumerate(stems)]
