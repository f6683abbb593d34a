"""A token store in the forms that other second stages read."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqtool.core.atomic import atomic_folder
from vqtool.data.store import SPLITS, Split
from vqtool.data.token_clips import TokenClips
from vqtool.data.token_store import TokenStore
from vqtool.errors import DataError

NPZ_BATCH = 1024
"""Windows that are gathered at once."""


def export_raw(store: TokenStore, output: Path) -> dict[Split, int]:
    """Write `output/SPLIT/` of each split that has clips, as the 1X world model challenge lays out its data.

    `video.bin`: the tokens (num_images, s, s), little-endian, clip after clip. `segment_ids.bin`: int32 (num_images,),
    the number of each frame's clip. `metadata.json`: `num_images`, `s`, `token_dtype`, `vocab_size`, and the clips'
    names. With a context also `context.bin` (num_context, hc, wc) and `context_ids.bin`, int32, each frame's row of it.

    Returns:
        The frames of each split.

    Raises:
        DataError: tokens of a frame are not a square.
        VqtoolError: `output` exists, no space left, or it cannot be written.
    """
    height, width = store.info.grid
    if height != width:
        raise DataError(
            f"raw holds square grids of tokens, these are {height} x {width} (several codes a position): use npz"
        )
    with atomic_folder(output) as folder:
        return {split: _write_raw(store, split, folder / split) for split in SPLITS if store.split(split)}


def export_npz(store: TokenStore, output: Path, clip_frames: int) -> dict[Split, int]:
    """Write `output/SPLIT.npz` of each split that has a clip of `clip_frames` frames, T.

    `tokens`: int64 (B, T, h, w), windows that do not overlap, from the first frame of every clip. `clips` and `starts`
    (B,): where each is from. `codebook`: float32 (K, D). With a context also `context`, int64 (B, S, hc, wc), and a
    window starts where a segment does.

    Returns:
        The windows of each split.

    Raises:
        DataError: no split has a clip that long.
        VqtoolError: `output` exists, no space left, or it cannot be written.
    """
    long = [split for split in SPLITS if any(clip.length >= clip_frames for clip in store.split(split))]
    if not long:
        longest = max(clip.length for clip in store.clips)
        raise DataError(
            f"no clip of {store.path} has {clip_frames} frames (the longest has {longest}): "
            f"use --clip-frames {longest} or fewer"
        )
    with atomic_folder(output) as folder:
        return {split: _write_npz(store, split, folder / f"{split}.npz", clip_frames) for split in long}


def _write_raw(store: TokenStore, split: Split, folder: Path) -> int:
    folder.mkdir()
    clips, info = store.split(split), store.info
    lengths = [clip.length for clip in clips]
    _write(folder / "video.bin", (store.tokens(clip) for clip in clips))
    _write(folder / "segment_ids.bin", (np.full(length, number, "<i4") for number, length in enumerate(lengths)))
    record: dict[str, Any] = {"num_images": sum(lengths), "s": info.grid[0], "token_dtype": info.token_dtype}
    record |= {"vocab_size": info.codebook_size, "tokenizer_sha256": info.tokenizer_sha256}
    if info.context_grid is not None:
        firsts = np.cumsum([0, *(clip.context_length for clip in clips)])
        _write(folder / "context.bin", (context for clip in clips if (context := store.context(clip)) is not None))
        rows = (
            (first + np.arange(length) // info.segment_frames).astype("<i4")
            for first, length in zip(firsts.tolist(), lengths, strict=False)
        )
        _write(folder / "context_ids.bin", rows)
        record |= {"num_context": int(firsts[-1]), "context_grid": info.context_grid}
    record["clips"] = [clip.clip for clip in clips]
    (folder / "metadata.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return sum(lengths)


def _write(file: Path, parts: Iterable[NDArray[Any]]) -> None:
    with file.open("wb") as stream:
        for part in parts:
            stream.write(np.ascontiguousarray(part).tobytes())


def _write_npz(store: TokenStore, split: Split, file: Path, clip_frames: int) -> int:
    segment = store.info.segment_frames or 1
    windows = TokenClips(store.path, split, clip_frames, step=-(-clip_frames // segment) * segment)
    batches = [
        windows.gather(np.arange(first, min(first + NPZ_BATCH, len(windows))))
        for first in range(0, len(windows), NPZ_BATCH)
    ]
    places = [windows.window(index) for index in range(len(windows))]
    arrays: dict[str, NDArray[Any]] = {
        "tokens": np.concatenate([batch.tokens for batch in batches]).astype(np.int64),
        "codebook": store.codebook(),
        "clips": np.array([clip.clip for clip, _ in places]),
        "starts": np.array([start for _, start in places], dtype=np.int64),
    }
    contexts = [batch.context for batch in batches if batch.context is not None]
    if contexts:
        arrays["context"] = np.concatenate(contexts).astype(np.int64)
    with file.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    return len(windows)
