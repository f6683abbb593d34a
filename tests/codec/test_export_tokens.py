"""Exports, byte by byte and through the reader that others use for them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from codec_stores import LENGTHS, smooth_frames

from vqtool.codec.clips import ClipTokens
from vqtool.codec.encode_store import StoreEncoder
from vqtool.codec.export_tokens import export_npz, export_raw
from vqtool.codec.tokenizer import LoadedTokenizer, load_folder
from vqtool.data.store import FrameStore
from vqtool.data.token_store import TokenStore
from vqtool.errors import DataError, VqtoolError

TRAIN = ["a/cam0", "a/cam1", "b/cam0", "d/cam0"]


def tokens_of(tokenizer: LoadedTokenizer, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """A clip of the store as the library encodes it."""
    found = tokenizer.encode(smooth_frames(LENGTHS[name], list(LENGTHS).index(name)))
    return (found.frames, found.context) if isinstance(found, ClipTokens) else (found, None)


def test_raw_is_what_the_field_reads(tokenizer: LoadedTokenizer, token_folder: Path, tmp_path: Path) -> None:
    counts = export_raw(TokenStore.open(token_folder), tmp_path / "raw")
    assert counts == {"train": 41, "val": 6, "test": 3}
    folder = tmp_path / "raw" / "train"
    parts = [tokens_of(tokenizer, name) for name in TRAIN]
    video = np.concatenate([frames for frames, _ in parts])
    assert (folder / "video.bin").read_bytes() == video.astype("<u2").tobytes()
    segment_ids = np.array([0] * 9 + [1] * 9 + [2] * 14 + [3] * 9, dtype="<i4")
    assert (folder / "segment_ids.bin").read_bytes() == segment_ids.tobytes()
    record = json.loads((folder / "metadata.json").read_text())
    # The reader of the 1X world model challenge maps the tokens like this.
    mapped = np.memmap(
        folder / "video.bin", dtype=np.dtype(record["token_dtype"]), mode="r",
        shape=(record["num_images"], record["s"], record["s"]),
    )  # fmt: skip
    assert np.array_equal(mapped, video)
    assert record["clips"] == TRAIN and record["vocab_size"] == tokenizer.codebook_size
    assert (folder / "context.bin").exists() == bool(tokenizer.layout.context_grid)


def test_raw_has_the_context_and_each_frames_row_of_it(
    segments: LoadedTokenizer, frame_store: FrameStore, tmp_path: Path
) -> None:
    StoreEncoder(segments, frame_store, tmp_path / "tokens", "x").run()
    export_raw(TokenStore.open(tmp_path / "tokens"), tmp_path / "raw")
    folder = tmp_path / "raw" / "train"
    record = json.loads((folder / "metadata.json").read_text())
    assert (record["num_context"], record["context_grid"]) == (13, [4, 4])
    context = np.fromfile(folder / "context.bin", "<u2").reshape(-1, 4, 4)
    assert np.array_equal(context, np.concatenate([tokens_of(segments, name)[1] for name in TRAIN]))
    ids = np.fromfile(folder / "context_ids.bin", "<i4")
    # 9, 9, 14 and 9 frames, four to a grid.
    nine = [0, 0, 0, 0, 1, 1, 1, 1, 2]
    fourteen = [6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 9, 9]
    assert ids.tolist() == [*nine, *(3 + row for row in nine), *fourteen, *(10 + row for row in nine)]
    frames = np.fromfile(folder / "video.bin", "<u2").reshape(-1, 2, 2)
    # What a reader of these files alone decodes for the last clip.
    decoded = segments.decode(ClipTokens(frames[-9:].astype(np.int64), context[ids[-9] : ids[-1] + 1].astype(np.int64)))
    assert np.array_equal(decoded, segments.decode(segments.encode(smooth_frames(9, 4))))


def test_npz_holds_windows_that_do_not_overlap(tokenizer: LoadedTokenizer, token_folder: Path, tmp_path: Path) -> None:
    counts = export_npz(TokenStore.open(token_folder), tmp_path / "npz", clip_frames=4)
    assert counts == {"train": 2 + 2 + 3 + 2, "val": 1}
    with np.load(tmp_path / "npz" / "train.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    assert arrays["tokens"].dtype == np.int64 and arrays["codebook"].dtype == np.float32
    assert np.array_equal(arrays["codebook"], tokenizer.codebook())
    assert arrays["clips"].tolist() == [name for name in TRAIN for _ in range(LENGTHS[name] // 4)]
    assert arrays["starts"].tolist() == [0, 4, 0, 4, 0, 4, 8, 0, 4]
    for window, (name, start) in enumerate(zip(arrays["clips"], arrays["starts"], strict=True)):
        frames, context = tokens_of(tokenizer, name)
        assert np.array_equal(arrays["tokens"][window], frames[start : start + 4])
        if context is not None:
            assert np.array_equal(arrays["context"][window], context[start // 4 : start // 4 + 1])


def test_what_cannot_be_exported_leaves_nothing(segments: LoadedTokenizer, token_folder: Path, tmp_path: Path) -> None:
    store = TokenStore.open(token_folder)
    with pytest.raises(DataError, match=r"has 15 frames \(the longest has 14\): use --clip-frames"):
        export_npz(store, tmp_path / "out", 15)
    with pytest.raises(VqtoolError, match="exists already"):
        export_raw(store, token_folder)
    assert not (tmp_path / "out").exists()


def test_raw_wants_square_grids(checkpoint: Callable[..., Path], frame_store: FrameStore, tmp_path: Path) -> None:
    two_codes = 'model.quantizer={kind="grouped", num_groups=2, of={kind="bsq", codebook_size=16}}'
    tokenizer = load_folder(checkpoint(two_codes), torch.device("cpu"))
    StoreEncoder(tokenizer, frame_store, tmp_path / "tokens", "x").run()
    with pytest.raises(DataError, match=r"these are 8 x 4 \(several codes a position\): use npz"):
        export_raw(TokenStore.open(tmp_path / "tokens"), tmp_path / "raw")
